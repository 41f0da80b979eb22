#include "net/parked_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

namespace holdfast::net {

ParkedSocket::ParkedSocket(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
  // Else the kernel might end the connection by itself, silently, and there would be nothing left to reset.
  const unsigned never = 0;
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &never, sizeof never);
}

ParkedSocket::~ParkedSocket() {
  boost::system::error_code ignored;
  if (!socket_.is_open()) return;
  socket_.set_option(boost::asio::socket_base::linger{true, 0}, ignored);
  socket_.close(ignored);
}

}  // namespace holdfast::net
