#include "doctor/nat_timeout.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "holdfast/lifetime.hpp"
#include "net/delay.hpp"
#include "net/dial/banner.hpp"
#include "net/dial/connector.hpp"
#include "net/resolver.hpp"

namespace holdfast::doctor {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::tcp;
using boost::system::error_code;

/// sshd's LoginGraceTime is 120 s: then it ends who has not logged in, whatever lies between.
constexpr Milliseconds longest_silence = 110s;
/// Below so long an interval there is room for one more silence between it and the longest.
constexpr Milliseconds short_interval = 30s;

constexpr Milliseconds longest_lookup = 8s;
constexpr Milliseconds longest_connect = 5500ms;  ///< a SYN is sent again after 1 s and after 3 s
constexpr Milliseconds longest_wait_for_banner = 5s;

/// Our identification, and SSH_MSG_DISCONNECT (RFC 4253, 11.1; by application). A server answers with its offer of
/// keys; one that sent that with its banner closes.
constexpr std::string_view greeting_and_goodbye{
    "SSH-2.0-holdfast\r\n"
    "\0\0\0\x14\x06\x01\0\0\0\x0b\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    18 + 24};

enum class Fate {
  kept,       ///< the relay answered
  forgotten,  ///< nothing came back, or a reset
  ended,      ///< by the relay, before its time
};

/// What becomes of a connection that is silent for a time, once the relay has introduced itself.
class Flow {
 public:
  struct Watcher {
    std::function<void(StepFindings)> greeted;        ///< or not: then it is over
    std::function<void(Fate, Milliseconds)> came_to;  ///< after so long a silence
  };

  Flow(tcp::socket socket, std::string relay, Milliseconds silence, Milliseconds patience, Watcher watcher)
      : socket_(std::move(socket)),
        relay_(std::move(relay)),
        silence_(silence),
        patience_(patience),
        watcher_(std::move(watcher)),
        timer_(socket_.get_executor()) {}

  void begin() {
    error_code ignored;  // reading tells of it
    socket_.non_blocking(true, ignored);
    timer_.start(longest_wait_for_banner, [this] {
      no_banner({Cause::phase_timed_out, "read the banner of", relay_, "silence"});
    });
    read();
  }

 private:
  enum class Stage { greeting, silence, answer, over };

  void read() {
    socket_.async_read_some(boost::asio::buffer(buffer_),
                            lifetime_.guard([this](const error_code& error, std::size_t count) {
                              if (error != boost::asio::error::operation_aborted) on_read(error, count);
                            }));
  }

  void on_read(const error_code& error, std::size_t count) {
    const bool closed = error == boost::asio::error::eof;
    switch (stage_) {
      case Stage::greeting:
        return error ? no_banner(why_no_banner(error)) : on_greeting({buffer_.data(), count});
      case Stage::silence:
        if (closed) return end(Fate::ended);
        return error ? end(Fate::forgotten) : on_words();
      case Stage::answer:
        return end(error && !closed ? Fate::forgotten : Fate::kept);
      case Stage::over:
        return;
    }
  }

  Failure why_no_banner(const error_code& error) const {
    if (banner_.is_penalty())
      return {Cause::relay_penalty, "read the banner of", relay_,
              "it said \"" + std::string{net::Banner::penalty} + "\""};
    return {Cause::connection_lost, "read the banner of", relay_, error.message()};
  }

  void on_greeting(std::string_view bytes) {
    text_ += bytes;
    switch (banner_.take(bytes)) {
      case net::Banner::Found::nothing_yet:
        return read();
      case net::Banner::Found::none:
        return no_banner({Cause::protocol_mismatch, "read the banner of", relay_, "no SSH banner in 4 KiB"});
      case net::Banner::Found::banner:
        break;
    }
    greeted_at_ = Clock::now();
    stage_ = Stage::silence;
    const std::string line = first_line();
    watcher_.greeted({std::nullopt, line, {}, line});
    be_silent();
    read();
  }

  /// The banner, or what came in its place.
  std::string first_line() const {
    const auto before = text_.find("\nSSH-");
    const auto begin = before == std::string::npos || text_.starts_with("SSH-") ? 0 : before + 1;
    return text_.substr(begin, text_.find_first_of("\r\n", begin) - begin);
  }

  void be_silent() {
    silent_since_ = Clock::now();
    timer_.start(silence_, [this] { speak(); });
  }

  /// Some servers send their offer of keys with the banner: only then it becomes silent.
  void on_words() {
    if (Clock::now() - greeted_at_ > patience_) return end(Fate::ended);
    be_silent();
    read();
  }

  void speak() {
    if (stage_ == Stage::over) return;
    stage_ = Stage::answer;
    error_code error;
    socket_.write_some(boost::asio::buffer(greeting_and_goodbye), error);  // into an empty queue: it takes them
    if (error) return end(Fate::forgotten);
    timer_.start(patience_, [this] { end(Fate::forgotten); });
  }

  void end(Fate fate) {
    if (std::exchange(stage_, Stage::over) == Stage::over) return;
    const auto since = std::chrono::duration_cast<Milliseconds>(Clock::now() - silent_since_);
    close();
    watcher_.came_to(fate, std::min(since, silence_));
  }

  void no_banner(Failure failure) {
    if (std::exchange(stage_, Stage::over) == Stage::over) return;
    close();
    watcher_.greeted({std::move(failure), "", {}, first_line()});
  }

  void close() {
    timer_.cancel();
    error_code ignored;
    socket_.close(ignored);
  }

  tcp::socket socket_;
  const std::string relay_;
  const Milliseconds silence_;
  const Milliseconds patience_;
  const Watcher watcher_;
  net::Delay timer_;
  Stage stage_ = Stage::greeting;
  net::Banner banner_;
  std::string text_;
  std::array<char, 4096> buffer_{};
  TimePoint greeted_at_{};
  TimePoint silent_since_{};
  Lifetime lifetime_;
};

/// One flow after the other, never two at a time. A flow that is forgotten stays behind at the relay, for our FIN does
/// not get there. When LoginGraceTime is over, sshd 9.8 and later (PerSourcePenalties) counts 10 s against our address
/// for it. From 15 s on it takes nobody from there. Several at once would keep the device, and all who share its
/// address, from their relay. One that is kept costs 1 s.
class Measurement {
 public:
  Measurement(boost::asio::io_context& loop, TunnelSpec there, Silences silences,
              std::function<void(Layer, Finding)> tell)
      : loop_(loop),
        resolver_(loop.get_executor()),
        there_(std::move(there)),
        silences_(std::move(silences)),
        tell_(std::move(tell)),
        timer_(loop.get_executor()) {
    found_.interval = std::chrono::duration_cast<Milliseconds>(there_.liveness.server_alive_interval);
    there_.tcp_keep_alive = false;  // nothing may cross
    there_.liveness = {};
  }

  void begin() {
    timer_.start(longest_lookup, [this] {
      step_.reset();
      fail(Layer::name, {Cause::resolver_unavailable, "resolve", there_.host_name, "no answer within 8 s"});
    });
    step_ =
        resolver_.resolve(there_.host_name, there_.port, there_.address_family,
                          [this](tl::expected<net::Endpoints, Failure> endpoints) { on_name(std::move(endpoints)); });
  }

 private:
  void on_name(tl::expected<net::Endpoints, Failure> endpoints) {
    if (!endpoints) return fail(Layer::name, std::move(endpoints.error()));
    endpoints_ = std::move(*endpoints);
    const std::string address = endpoints_.front().address().to_string();
    const bool literal = address == there_.host_name;
    tell_(Layer::name, StepFindings{std::nullopt, literal ? address : there_.host_name + " is " + address, {}});
    connect();
  }

  void connect() {
    timer_.start(longest_connect, [this] {
      step_.reset();
      fail(Layer::tcp, {Cause::connection_timed_out, "connect to", relay_name(there_), "no answer"});
    });
    step_ = net::connect(loop_.get_executor(), endpoints_, net::options_of(there_, std::nullopt),
                         [this](tl::expected<tcp::socket, Failure> socket) { on_socket(std::move(socket)); });
  }

  void on_socket(tl::expected<tcp::socket, Failure> socket) {
    timer_.cancel();
    if (!socket) return fail(Layer::tcp, std::move(socket.error()));
    error_code error;
    const tcp::endpoint endpoint = socket->remote_endpoint(error);
    if (!error) endpoints_ = {endpoint};  // all of them by the same way
    if (!connected_)
      tell_(Layer::tcp, StepFindings{std::nullopt, net::to_string(endpoints_.front()) + " takes connections", {}});
    connected_ = true;
    const auto greeted = [this](StepFindings found) { on_greeted(std::move(found)); };
    const auto came_to = [this](Fate fate, Milliseconds after) { on_fate(fate, after); };
    tried_ = doubted_ ? Milliseconds::zero() : next().value_or(Milliseconds::zero());
    flow_ = std::make_unique<Flow>(std::move(*socket), relay_name(there_), tried_, silences_.patience,
                                   Flow::Watcher{greeted, came_to});
    flow_->begin();
  }

  void on_greeted(StepFindings found) {
    if (found.failure) return give_up(Layer::banner, std::move(found));
    if (!std::exchange(greeted_, true)) tell_(Layer::banner, std::move(found));
  }

  void on_fate(Fate fate, Milliseconds after) {
    if (doubted_) {
      if (fate != Fate::kept)
        return fail(Layer::tcp, {Cause::connection_lost, "read from", relay_name(there_), "it answers no more"});
      found_.forgotten = std::exchange(doubted_, std::nullopt);
    } else {
      switch (fate) {
        case Fate::kept:
          found_.survived = tried_;
          break;
        case Fate::forgotten:
          doubted_ = tried_;  // a relay that is gone is silent as well: does it still answer at once?
          return connect();
        case Fate::ended:
          found_.ended = after;
          break;
      }
    }
    if (next()) return connect();
    tell_keepalive();
  }

  /// At first the one that matters. Then the longest that nothing is known of.
  std::optional<Milliseconds> next() const {
    const auto open = [&](Milliseconds silence) {
      return (!found_.survived || silence > *found_.survived) && (!found_.forgotten || silence < *found_.forgotten) &&
             (!found_.ended || silence < *found_.ended);
    };
    if (!found_.survived && !found_.forgotten && !found_.ended) return silences_.first;
    const auto& all = silences_.worth_trying;
    const auto longest = std::find_if(all.rbegin(), all.rend(), open);
    return longest == all.rend() ? std::nullopt : std::optional{*longest};
  }

  void fail(Layer layer, Failure failure) { give_up(layer, StepFindings{std::move(failure), "", {}}); }

  /// What was found until then still holds.
  void give_up(Layer layer, StepFindings found) {
    tell_(layer, std::move(found));
    for (const Layer above : {Layer::tcp, Layer::banner}) {
      const bool known = above == Layer::tcp ? connected_ : greeted_;
      if (layer < above && !known) tell_(above, Skipped{"the relay is not reached"});
    }
    if (found_.survived || found_.forgotten || found_.ended) return tell_keepalive();
    tell_(Layer::keepalive, Skipped{"the relay is not reached"});
    loop_.stop();
  }

  void tell_keepalive() {
    tell_(Layer::keepalive, found_);
    loop_.stop();
  }

  boost::asio::io_context& loop_;
  net::Resolver resolver_;
  TunnelSpec there_;
  const Silences silences_;
  const std::function<void(Layer, Finding)> tell_;
  net::Delay timer_;
  net::Endpoints endpoints_;
  std::unique_ptr<net::Operation> step_;
  std::unique_ptr<Flow> flow_;
  KeepaliveFindings found_;
  Milliseconds tried_{};
  std::optional<Milliseconds> doubted_;  ///< nothing came back after so long
  bool connected_ = false;
  bool greeted_ = false;
};

}  // namespace

Silences silences_of(const TunnelSpec& there) {
  // With economy too: then it is the kernel that sends something so often.
  const auto interval = std::chrono::duration_cast<Milliseconds>(there.liveness.server_alive_interval);
  const bool in_reach = interval > Milliseconds::zero() && interval < longest_silence;
  const Milliseconds first = in_reach ? interval : longest_silence;
  Silences silences{{}, first, 10s};
  for (const int part : {4, 2}) {
    const Milliseconds shorter = std::chrono::floor<std::chrono::seconds>(first / part);
    if (shorter > Milliseconds::zero()) silences.worth_trying.push_back(shorter);
  }
  silences.worth_trying.push_back(first);
  if (first <= short_interval) silences.worth_trying.push_back(2 * short_interval);
  if (in_reach) silences.worth_trying.push_back(longest_silence);
  return silences;
}

Milliseconds longest_measurement(const Silences& silences) {
  Milliseconds if_kept = silences.patience;
  Milliseconds if_forgotten{};
  for (const Milliseconds silence : silences.worth_trying) {
    if (silence >= silences.first) if_kept += silence;
    if (silence <= silences.first) if_forgotten += silence + silences.patience;
  }
  return std::max(if_kept, if_forgotten);
}

void measure_nat_timeout(TunnelSpec there, Silences silences, const std::function<void(Layer, Finding)>& tell) {
  net::hasten_lookups();
  boost::asio::io_context loop{1};
  Measurement measurement(loop, std::move(there), std::move(silences), tell);
  measurement.begin();
  loop.run();
}

}  // namespace holdfast::doctor
