#include "net/dial/connect_options.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/address.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "holdfast/config.hpp"
#include "holdfast/liveness.hpp"
#include "net/descriptors.hpp"

namespace holdfast::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

/// A keepalive is one bare segment, which nobody sends again when it is lost, or its acknowledgement: so the kernel
/// asks this often in the time of one interval, while an acknowledgement is missing.
constexpr int keepalive_tries = 4;

template <typename Value>
void set_option(tcp::socket& socket, int level, int name, const Value& value, error_code& error) {
  if (error) return;
  if (::setsockopt(socket.native_handle(), level, name, &value, sizeof value) != 0) {
    error.assign(errno, boost::system::system_category());
  }
}

}  // namespace

ConnectOptions options_of(const TunnelSpec& spec, std::optional<std::uint32_t> max_segment) {
  // TCP_USER_TIMEOUT backs the liveness rule, which has to be first: only then is the dead socket kept (ParkSession).
  // With economy it also keeps the kernel from giving up after TCP_KEEPCNT keepalives, which is sooner.
  const LivenessSpec& liveness = spec.liveness;
  const bool economy = liveness.economy();
  const Duration keepalive_after = economy ? liveness.server_alive_interval : Duration::zero();
  return {spec.bind_address,
          spec.bind_interface,
          spec.tcp_keep_alive || economy,
          longest_silence(liveness) + keepalive_after,
          keepalive_after,
          spec.congestion_control,
          max_segment};
}

std::optional<Failure> prepare(tcp::socket& socket, const tcp::endpoint& endpoint, const ConnectOptions& options) {
  const auto failed = [](Cause cause, std::string operation, std::string subject, const error_code& error) {
    return Failure{cause, std::move(operation), std::move(subject), error.message()};
  };
  error_code error;
  socket.open(endpoint.protocol(), error);
  if (!error && is_among_the_last(socket.native_handle(), options.leave_descriptors)) {
    error = make_error_code(boost::system::errc::too_many_files_open);
  }
  if (error) return failed(cause_of(error), "connect to", to_string(endpoint), error);

  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1, error);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, options.tcp_keep_alive ? 1 : 0, error);
  if (options.keepalive_after > Duration::zero()) {
    const auto set_seconds = [&](int name, Duration wanted) {
      const std::int64_t most = 32767;  // tcp(7): the kernel refuses more
      const std::int64_t seconds = std::chrono::ceil<std::chrono::seconds>(wanted).count();
      set_option(socket, IPPROTO_TCP, name, static_cast<int>(std::min(seconds, most)), error);
    };
    set_seconds(TCP_KEEPIDLE, options.keepalive_after);
    set_seconds(TCP_KEEPINTVL, options.keepalive_after / keepalive_tries);
  }
  if (options.user_timeout > Duration::zero()) {
    const std::int64_t wanted = std::chrono::ceil<std::chrono::milliseconds>(options.user_timeout).count();
    const std::int64_t most = std::numeric_limits<int>::max();  // tcp(7): the kernel refuses more
    set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::min(wanted, most)), error);
  }
  if (options.max_segment) {
    set_option(socket, IPPROTO_TCP, TCP_MAXSEG, static_cast<int>(*options.max_segment), error);
  }
  if (error) return failed(Cause::local_error, "connect to", to_string(endpoint), error);

  // A tunnel with another algorithm is slower at worst, so what the kernel does not grant is no failure.
  if (const auto& name = options.congestion_control; !name.empty()) {
    ::setsockopt(socket.native_handle(), IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size()));
  }
  if (const auto& name = options.bind_interface; !name.empty()) {
    if (::setsockopt(socket.native_handle(), SOL_SOCKET, SO_BINDTODEVICE, name.data(),
                     static_cast<socklen_t>(name.size())) != 0) {
      error.assign(errno, boost::system::system_category());
      return failed(Cause::local_address_unavailable, "bind to interface", name, error);
    }
  }
  if (!options.bind_address.empty()) {
    // The port is chosen at connect(), by the whole 4-tuple: thousands of sockets may share one.
    set_option(socket, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1, error);
    const auto address = error ? asio::ip::address{} : asio::ip::make_address(options.bind_address, error);
    if (!error) socket.bind(tcp::endpoint(address, 0), error);
    if (error) return failed(Cause::local_address_unavailable, "bind", options.bind_address, error);
  }
  return std::nullopt;
}

Cause cause_of(const error_code& error) {
  switch (error.value()) {
    case ECONNREFUSED:
      return Cause::connection_refused;
    case ETIMEDOUT:
      return Cause::connection_timed_out;
    case ECONNRESET:
    case EPIPE:
      return Cause::connection_lost;
    case EADDRNOTAVAIL:
    case EADDRINUSE:
      return Cause::local_address_unavailable;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case ENONET:
    case EAFNOSUPPORT:
    case EACCES:  // a local firewall that rejects
    case EPERM:   // one that drops
    case EINVAL:  // a blackhole route
      return Cause::unreachable;
    default:
      return Cause::local_error;
  }
}

std::string congestion_control(tcp::socket& socket) {
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX of the kernel, with the final zero
  socklen_t size = name.size();
  if (::getsockopt(socket.native_handle(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) != 0) return {};
  return {name.data(), ::strnlen(name.data(), size)};
}

std::string to_string(const tcp::endpoint& endpoint) {
  return in_brackets(endpoint.address().to_string()) + ":" + std::to_string(endpoint.port());
}

}  // namespace holdfast::net
