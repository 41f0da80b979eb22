#include "doctor/refuser.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>

#include "holdfast/hops.hpp"

namespace holdfast::doctor {
namespace {

using namespace std::chrono_literals;

/// The errno that it ended with; 0: nothing came.
int connect_within(const boost::asio::ip::tcp::endpoint& endpoint, unsigned hops, const EchoSocket::Options& options) {
  const bool v6 = endpoint.address().is_v6();
  const net::Descriptor socket{::socket(endpoint.data()->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  const int limit = static_cast<int>(hops);
  if (v6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, &limit, sizeof limit);
  } else {
    ::setsockopt(socket.get(), IPPROTO_IP, IP_TTL, &limit, sizeof limit);
  }
  const auto& name = options.interface;
  if (!name.empty())
    ::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, name.data(), static_cast<socklen_t>(name.size()));
  boost::system::error_code none;
  const boost::asio::ip::tcp::endpoint ours(boost::asio::ip::make_address(options.address, none), 0);
  if (!none && ours.address().is_v6() == v6)
    static_cast<void>(::bind(socket.get(), ours.data(), static_cast<socklen_t>(ours.size())));
  if (::connect(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  pollfd ready{socket.get(), POLLOUT, 0};
  int error = 0;
  socklen_t size = sizeof error;
  if (::poll(&ready, 1, 1500) == 1) ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  return error;
}

bool answers(const std::optional<EchoNews>& echo, const boost::asio::ip::address& who) {
  return echo && echo->refusal.empty() && echo->from == who;
}

}  // namespace

bool is_refused_on_the_way(const boost::asio::ip::tcp::endpoint& endpoint, const EchoSocket::Options& options) {
  const auto to = endpoint.address();
  const auto echo = ask_for_echo(to, options, 0, 1500ms);
  if (!answers(echo, to) || !echo->ttl) return false;
  const unsigned hops = hops_of(*echo->ttl);
  if (hops == 0 || answers(ask_for_echo(to, options, hops, 900ms), to)) return false;
  return connect_within(endpoint, hops, options) == ECONNREFUSED;
}

}  // namespace holdfast::doctor
