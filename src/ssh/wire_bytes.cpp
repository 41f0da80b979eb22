#include "ssh/wire_bytes.hpp"

// Not <netinet/tcp.h>: glibc's tcp_info ends before the counters.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstddef>

namespace holdfast::ssh {
namespace {

constexpr std::uint64_t ipv4_header = 20;
constexpr std::uint64_t ipv6_header = 40;
constexpr std::uint64_t tcp_header = 20;
constexpr std::uint64_t timestamps_option = 12;

/// An IPv4 address in an IPv6 socket (::ffff:192.0.2.7) does not occur: we open the family of the address.
bool is_ipv6(int socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  return ::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.ss_family == AF_INET6;
}

}  // namespace

std::uint64_t wire_bytes(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  if (size < offsetof(tcp_info, tcpi_bytes_sent) + sizeof info.tcpi_bytes_sent) return 0;
  const bool timestamps = (info.tcpi_options & TCPI_OPT_TIMESTAMPS) != 0;
  const std::uint64_t header =
      (is_ipv6(socket) ? ipv6_header : ipv4_header) + tcp_header + (timestamps ? timestamps_option : 0);
  return header * (std::uint64_t{info.tcpi_segs_out} + info.tcpi_segs_in) + info.tcpi_bytes_sent +
         info.tcpi_bytes_received;
}

}  // namespace holdfast::ssh
