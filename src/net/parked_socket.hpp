#pragma once

#include <boost/asio/ip/tcp.hpp>

namespace holdfast::net {

/// The socket of a dead session. Kept open it says nothing; reset (or destroyed) it sends a RST, so that a peer that
/// still believes in the connection lets go of it at once, and with it of the listeners. That reaches the peer only
/// while the path and the NAT mapping are the old ones, and costs one packet.
class ParkedSocket {
 public:
  explicit ParkedSocket(boost::asio::ip::tcp::socket socket);
  ~ParkedSocket();
  ParkedSocket(ParkedSocket&&) = default;
  ParkedSocket& operator=(ParkedSocket&&) = delete;

 private:
  boost::asio::ip::tcp::socket socket_;
};

}  // namespace holdfast::net
