#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"
#include "net/resolver.hpp"

namespace holdfast::net {

struct ConnectOptions {
  std::string bind_address;    ///< literal; empty: the kernel's choice
  std::string bind_interface;  ///< SO_BINDTODEVICE; empty: any
  bool tcp_keep_alive = true;
  Duration user_timeout{};  ///< TCP_USER_TIMEOUT; zero: the kernel's default
  /// Of silence, TCP's keepalive, and until it is acknowledged again after each quarter of that; zero: the kernel's
  /// defaults. How many may be lost is the business of user_timeout, which the kernel then counts instead of them
  /// (tcp_keepalive_timer in net/ipv4/tcp_timer.c).
  Duration keepalive_after{};
  /// TCP_CONGESTION; empty: the kernel's default, and so if the kernel does not grant it: congestion_control() tells.
  std::string congestion_control{};
  /// TCP_MAXSEG, for both ways: what is sent, and what the relay is told to send at most; none: the kernel's choice.
  std::optional<std::uint32_t> max_segment{};
  int leave_descriptors = 0;  ///< fails with EMFILE instead of taking one of the last so many
  /// The first so many endpoints race; each of the others has to wait until nobody is under way, or for 2 s.
  std::size_t racing = std::numeric_limits<std::size_t>::max();
};

class ConnectOperation : public Operation {
 public:
  /// The device has this address no more: attempts that were made from it fail now, as they would after minutes.
  virtual void address_gone(const boost::asio::ip::address& address) = 0;
};

/// The address from which the kernel would connect to this endpoint now; none without a route. Sends nothing.
std::optional<boost::asio::ip::address> source_address(const boost::asio::any_io_executor& executor,
                                                       const boost::asio::ip::tcp::endpoint& endpoint);

/// The algorithm that the socket has: "cubic". Empty if it can't be told.
std::string congestion_control(boost::asio::ip::tcp::socket& socket);

using ConnectHandler = std::function<void(tl::expected<boost::asio::ip::tcp::socket, Failure>)>;

/// RFC 8305: starts with the first endpoint, starts the next after 250 ms or as soon as one fails, the first that
/// connects wins and the others are closed. The socket has TCP_NODELAY set. When all fail, the failure is that of the
/// endpoint that got furthest (refused over timed out over unreachable). There is no deadline here: the owner cancels.
/// The handler is called from the loop, never from inside connect().
[[nodiscard]] std::unique_ptr<ConnectOperation> connect(const boost::asio::any_io_executor& executor,
                                                        Endpoints endpoints, ConnectOptions options,
                                                        ConnectHandler handler);

}  // namespace holdfast::net
