#include "net/connector.hpp"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <limits>
#include <list>
#include <optional>
#include <utility>

#include "net/descriptors.hpp"

namespace holdfast::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

/// RFC 8305, 5: the recommended delay between two attempts.
constexpr std::chrono::milliseconds attempt_delay{250};
/// For those that race, before the second choice starts: longer than a round trip, and there is still some time left of
/// the shortest that an attempt may take (core/opening.cpp).
constexpr std::chrono::seconds head_start{2};

/// A keepalive is one bare segment, which nobody sends again when it is lost, or its acknowledgement: so the kernel
/// asks this often in the time of one interval, while an acknowledgement is missing.
constexpr int keepalive_tries = 4;

std::string to_string(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(endpoint.port());
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
      return Cause::unreachable;
    default:
      return Cause::local_error;
  }
}

/// How far the attempt got, 0 being the furthest: of several failures that one says most about the relay.
std::size_t distance_left(Cause cause) {
  constexpr std::array furthest_first{Cause::connection_lost, Cause::connection_refused, Cause::connection_timed_out,
                                      Cause::unreachable, Cause::local_address_unavailable};
  return static_cast<std::size_t>(std::find(furthest_first.begin(), furthest_first.end(), cause) -
                                  furthest_first.begin());
}

template <typename Value>
void set_option(tcp::socket& socket, int level, int name, const Value& value, error_code& error) {
  if (error) return;
  if (::setsockopt(socket.native_handle(), level, name, &value, sizeof value) != 0) {
    error.assign(errno, boost::system::system_category());
  }
}

/// Every option that must stand before the handshake.
std::optional<Failure> prepare(tcp::socket& socket, const tcp::endpoint& endpoint, const ConnectOptions& options) {
  const auto failed = [](Cause cause, std::string operation, std::string subject, const error_code& error) {
    return Failure{cause, std::move(operation), std::move(subject), error.message()};
  };
  error_code error;
  socket.open(endpoint.protocol(), error);
  if (!error && is_among_the_last(socket.native_handle(), options.leave_descriptors)) {
    error = make_error_code(boost::system::errc::too_many_files_open);
  }
  if (error) return failed(cause_of(error), "connect", to_string(endpoint), error);

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
  if (error) return failed(Cause::local_error, "connect", to_string(endpoint), error);

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

/// It connected, said why not, and reset the connection, all before we looked: what it said can still be read.
bool left_words(tcp::socket& socket, const error_code& error) {
  char first = 0;
  return error == boost::system::errc::connection_reset &&
         ::recv(socket.native_handle(), &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

class Race : public std::enable_shared_from_this<Race> {
 public:
  Race(const asio::any_io_executor& executor, Endpoints endpoints, ConnectOptions options, ConnectHandler handler)
      : executor_(executor),
        timer_(executor),
        endpoints_(std::move(endpoints)),
        options_(std::move(options)),
        handler_(std::move(handler)) {}

  void start() {
    if (endpoints_.empty()) failure_ = Failure{Cause::unreachable, "connect", "", "no address to connect to"};
    asio::post(executor_, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->start_next();
    });
  }

  void address_gone(const asio::ip::address& address) {
    for (Runner& runner : running_) {
      error_code error;
      if (runner.socket.local_endpoint(error).address() != address || error) continue;
      runner.gone_address = address.to_string();
      runner.socket.close(error);  // and its handler sees to the rest
    }
  }

 private:
  struct Runner {
    tcp::socket socket;
    tcp::endpoint endpoint;
    std::string gone_address{};  ///< ours, that the device has lost meanwhile
  };
  using RunnerPosition = std::list<Runner>::iterator;

  void start_next() {
    while (handler_ && next_ < endpoints_.size()) {
      if (is_second_choice() && !head_start_over_ && !running_.empty()) return schedule_next();
      const tcp::endpoint endpoint = endpoints_[next_++];
      const auto runner = running_.insert(running_.end(), {tcp::socket(executor_), endpoint, {}});
      if (auto failure = prepare(runner->socket, endpoint, options_)) {
        running_.erase(runner);
        remember(std::move(*failure));
        continue;
      }
      runner->socket.async_connect(endpoint, [weak = weak_from_this(), runner](const error_code& error) {
        const auto self = weak.lock();
        if (self) self->on_connected(runner, left_words(runner->socket, error) ? error_code{} : error);
      });
      schedule_next();
      return;
    }
    if (handler_ && running_.empty()) finish(tl::unexpected(*failure_));
  }

  bool is_second_choice() const { return next_ >= options_.racing; }

  void schedule_next() {
    const bool held_back = is_second_choice() && !head_start_over_;
    timer_.expires_after(held_back ? std::chrono::milliseconds{head_start} : attempt_delay);
    timer_.async_wait([weak = weak_from_this(), held_back](const error_code& error) {
      const auto self = weak.lock();
      if (!self || error) return;
      self->head_start_over_ = held_back || self->head_start_over_;
      self->start_next();
    });
  }

  void on_connected(RunnerPosition runner, error_code error) {
    if (!handler_) return;
    // A port of ours that nobody listens on can be chosen as the source port too, and then answers itself.
    error_code ignored;
    if (!error && runner->socket.local_endpoint(ignored) == runner->socket.remote_endpoint(ignored)) {
      error = asio::error::connection_refused;
    }
    if (!error && runner->gone_address.empty()) return finish(std::move(runner->socket));
    if (runner->gone_address.empty()) {
      remember({cause_of(error), "connect", to_string(runner->endpoint), error.message()});
    } else {
      remember({Cause::unreachable, "connect", to_string(runner->endpoint),
                "this device's address " + runner->gone_address + " is gone"});
    }
    running_.erase(runner);
    start_next();
  }

  void remember(Failure failure) {
    if (!failure_ || distance_left(failure.cause) < distance_left(failure_->cause)) failure_ = std::move(failure);
  }

  void finish(tl::expected<tcp::socket, Failure> result) {
    timer_.cancel();
    // The losers' handlers still run, once, and must find nothing to do.
    const auto handler = std::exchange(handler_, nullptr);
    for (auto& runner : running_) {
      error_code ignored;
      runner.socket.close(ignored);
    }
    handler(std::move(result));
  }

  asio::any_io_executor executor_;
  asio::steady_timer timer_;
  Endpoints endpoints_;
  ConnectOptions options_;
  ConnectHandler handler_;
  std::size_t next_ = 0;
  bool head_start_over_ = false;
  std::list<Runner> running_;
  std::optional<Failure> failure_;
};

class RaceOperation final : public ConnectOperation {
 public:
  explicit RaceOperation(std::shared_ptr<Race> race) : race_(std::move(race)) {}
  void address_gone(const asio::ip::address& address) override { race_->address_gone(address); }

 private:
  std::shared_ptr<Race> race_;
};

}  // namespace

std::optional<asio::ip::address> source_address(const asio::any_io_executor& executor, const tcp::endpoint& endpoint) {
  error_code error;
  asio::ip::udp::socket probe(executor);
  probe.connect({endpoint.address(), endpoint.port()}, error);
  if (error) return std::nullopt;
  const auto local = probe.local_endpoint(error);
  return error ? std::nullopt : std::optional{local.address()};
}

std::string congestion_control(tcp::socket& socket) {
  std::array<char, 16> name{};  // TCP_CA_NAME_MAX of the kernel, with the final zero
  socklen_t size = name.size();
  if (::getsockopt(socket.native_handle(), IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) != 0) return {};
  return {name.data(), ::strnlen(name.data(), size)};
}

std::unique_ptr<ConnectOperation> connect(const asio::any_io_executor& executor, Endpoints endpoints,
                                          ConnectOptions options, ConnectHandler handler) {
  auto race = std::make_shared<Race>(executor, std::move(endpoints), std::move(options), std::move(handler));
  race->start();
  return std::make_unique<RaceOperation>(std::move(race));
}

}  // namespace holdfast::net
