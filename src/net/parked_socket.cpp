#include "net/parked_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <utility>

namespace holdfast::net {

ParkedSocket::ParkedSocket(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {
  // Else the kernel would soon end the connection by itself, silently, and there would be nothing left to reset.
  const unsigned by_retries = 0;  // net.ipv4.tcp_retries2: some 15 minutes
  ::setsockopt(socket_.native_handle(), IPPROTO_TCP, TCP_USER_TIMEOUT, &by_retries, sizeof by_retries);
  const int off = 0;
  ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_KEEPALIVE, &off, sizeof off);
}

ParkedSocket::~ParkedSocket() {
  boost::system::error_code ignored;
  if (!socket_.is_open()) return;
  socket_.set_option(boost::asio::socket_base::linger{true, 0}, ignored);
  socket_.close(ignored);
}

}  // namespace holdfast::net
