#include "net/dial/connector.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstddef>
#include <list>
#include <utility>

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

/// How far the attempt got, 0 being the furthest: of several failures that one says most about the relay.
std::size_t distance_left(Cause cause) {
  constexpr std::array furthest_first{Cause::connection_lost, Cause::connection_refused, Cause::connection_timed_out,
                                      Cause::unreachable, Cause::local_address_unavailable};
  return static_cast<std::size_t>(std::find(furthest_first.begin(), furthest_first.end(), cause) -
                                  furthest_first.begin());
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

  const std::vector<ConnectTry>& tries() const { return tries_; }

 private:
  struct Runner {
    tcp::socket socket;
    std::size_t number;          ///< of the try
    std::string gone_address{};  ///< ours, that the device has lost meanwhile
  };
  using RunnerPosition = std::list<Runner>::iterator;

  void start_next() {
    while (handler_ && next_ < endpoints_.size()) {
      if (is_second_choice() && !head_start_over_ && !running_.empty()) return schedule_next();
      const tcp::endpoint endpoint = endpoints_[next_++];
      const auto runner = running_.insert(running_.end(), {tcp::socket(executor_), tries_.size(), {}});
      tries_.push_back({endpoint, Clock::now()});
      if (auto failure = prepare(runner->socket, endpoint, options_)) {
        ended(runner, std::move(*failure));
        continue;
      }
      runner->socket.async_connect(endpoint, [weak = weak_from_this(), runner](const error_code& error) {
        const auto self = weak.lock();
        if (self) self->on_connected(runner, left_words(runner->socket, error) ? error_code{} : error);
      });
      schedule_next();
      return;
    }
    if (handler_ && running_.empty()) finish(tl::unexpected(furthest()));
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
    if (!runner->gone_address.empty()) {
      ended(runner, Failure{Cause::unreachable, "connect to", name_of(runner),
                            "this device's address " + runner->gone_address + " is gone"});
    } else if (error) {
      ended(runner, Failure{cause_of(error), "connect to", name_of(runner), error.message()});
    } else {
      tries_[runner->number].ended = Clock::now();
      return finish(std::move(runner->socket));
    }
    start_next();
  }

  std::string name_of(RunnerPosition runner) const { return to_string(tries_[runner->number].endpoint); }

  void ended(RunnerPosition runner, Failure failure) {
    ConnectTry& tried = tries_[runner->number];
    tried.ended = Clock::now();
    tried.failure = std::move(failure);
    running_.erase(runner);
  }

  /// The failure of the try that got furthest, when all have failed; the first of several that got as far.
  Failure furthest() const {
    if (tries_.empty()) return {Cause::unreachable, "connect to", "the relay", "no address is known"};
    const auto rank = [](const ConnectTry& tried) {
      return std::pair{distance_left(tried.failure->cause), *tried.ended};
    };
    return *std::min_element(tries_.begin(), tries_.end(), [&](const ConnectTry& one, const ConnectTry& other) {
              return rank(one) < rank(other);
            })->failure;
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
  std::vector<ConnectTry> tries_;
};

class RaceOperation final : public ConnectOperation {
 public:
  explicit RaceOperation(std::shared_ptr<Race> race) : race_(std::move(race)) {}
  const std::vector<ConnectTry>& tries() const override { return race_->tries(); }
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

std::unique_ptr<ConnectOperation> connect(const asio::any_io_executor& executor, Endpoints endpoints,
                                          ConnectOptions options, ConnectHandler handler) {
  auto race = std::make_shared<Race>(executor, std::move(endpoints), std::move(options), std::move(handler));
  race->start();
  return std::make_unique<RaceOperation>(std::move(race));
}

}  // namespace holdfast::net
