#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <tl/expected.hpp>
#include <vector>

#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"
#include "net/dial/connect_options.hpp"
#include "net/resolver.hpp"

namespace holdfast::net {

/// At one endpoint.
struct ConnectTry {
  boost::asio::ip::tcp::endpoint endpoint;
  TimePoint began;
  std::optional<TimePoint> ended{};  ///< none: under way, or given up when another one connected
  std::optional<Failure> failure{};  ///< none, once it ended: it connected
};

class ConnectOperation : public Operation {
 public:
  /// Those that were begun so far, in their order. Valid as long as the operation, and until its next turn.
  virtual const std::vector<ConnectTry>& tries() const = 0;
  /// The device has this address no more: attempts that were made from it fail now, as they would after minutes.
  virtual void address_gone(const boost::asio::ip::address& address) = 0;
};

/// The address from which the kernel would connect to this endpoint now; none without a route. Sends nothing.
std::optional<boost::asio::ip::address> source_address(const boost::asio::any_io_executor& executor,
                                                       const boost::asio::ip::tcp::endpoint& endpoint);

using ConnectHandler = std::function<void(tl::expected<boost::asio::ip::tcp::socket, Failure>)>;

/// RFC 8305: starts with the first endpoint, starts the next after 250 ms or as soon as one fails, the first that
/// connects wins and the others are closed. The socket has TCP_NODELAY set. When all fail, the failure is that of the
/// endpoint that got furthest (refused over timed out over unreachable). There is no deadline here: the owner cancels.
/// The handler is called from the loop, never from inside connect().
[[nodiscard]] std::unique_ptr<ConnectOperation> connect(const boost::asio::any_io_executor& executor,
                                                        Endpoints endpoints, ConnectOptions options,
                                                        ConnectHandler handler);

}  // namespace holdfast::net
