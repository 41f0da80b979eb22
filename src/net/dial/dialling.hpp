#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "holdfast/tunnel.hpp"
#include "net/dial/connector.hpp"
#include "net/resolver.hpp"

namespace holdfast::net {

struct Ends {
  boost::asio::ip::tcp::endpoint relay;
  boost::asio::ip::address ours;
};

FoundAddresses to_literals(const RelayAddresses& found);
Endpoints to_endpoints(const AddressOrder& order, std::uint16_t port);

/// One attempt's way to a relay: resolves, then connects, when it is told to. Destroying it ends what is under way.
class Dialling {
 public:
  /// `there` is the tunnel as it is at this relay; that and `resolver` outlive this. `tell` is called from the loop,
  /// and may destroy this.
  Dialling(boost::asio::any_io_executor executor, Resolver& resolver, const TunnelSpec& there, ConnectOptions options,
           std::function<void(SessionEvent)> tell);
  /// An address that was_right() said to be right is remembered as right until now.
  ~Dialling();
  Dialling(const Dialling&) = delete;
  Dialling& operator=(const Dialling&) = delete;

  /// Tells PhaseCompleted{resolve} or SessionFailed.
  void resolve();
  /// Tells PhaseCompleted{connect}, from when on there is a socket, or SessionFailed.
  void connect(const AddressOrder& order);
  boost::asio::ip::tcp::socket& socket() { return *socket_; }
  boost::asio::ip::tcp::socket take_socket();
  /// The device has this address no more; see ConnectOperation.
  void address_gone(const boost::asio::ip::address& address);

  /// It is the relay that is connected: the resolver remembers where it was found.
  void was_right();

  /// The ends of the connection; none before there is one.
  const std::optional<Ends>& ends() const { return ends_; }

 private:
  void remember();

  boost::asio::any_io_executor executor_;
  Resolver& resolver_;
  const TunnelSpec& there_;
  ConnectOptions options_;
  std::function<void(SessionEvent)> tell_;
  std::unique_ptr<Operation> lookup_;
  std::unique_ptr<ConnectOperation> connecting_;
  std::optional<boost::asio::ip::tcp::socket> socket_;  ///< until it is taken
  RelayAddresses found_;
  std::optional<Ends> ends_;
  bool right_ = false;
};

}  // namespace holdfast::net
