#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>
#include <chrono>
#include <list>
#include <utility>

#include "doctor/echo.hpp"
#include "doctor/patient.hpp"
#include "doctor/refuser.hpp"
#include "net/delay.hpp"
#include "net/dial/connector.hpp"
#include "net/routing.hpp"

namespace holdfast::doctor {
namespace {

using namespace std::chrono_literals;
using boost::asio::ip::address;
using boost::asio::ip::tcp;

/// How many addresses of one name are looked at.
constexpr std::size_t most_addresses = 4;

Milliseconds since(TimePoint began, TimePoint ended) {
  return std::chrono::duration_cast<Milliseconds>(ended - began);
}

std::vector<address> addresses_for(const Findings& so_far) {
  std::vector<address> addresses;
  for (const std::string& literal : addresses_of(so_far)) {
    boost::system::error_code error;
    const address one = boost::asio::ip::make_address(literal, error);
    if (!error && addresses.size() < most_addresses) addresses.push_back(one);
  }
  return addresses;
}

/// Nothing is sent: what runs shows more than a question would.
Look tell_of_session(const Patient& patient, Then then) {
  StepFindings found;
  found.measured = "the running session is through";
  if (!patient.running->address.empty()) found.measured += " to " + patient.running->address;
  if (const auto rtt = patient.running->keepalive_rtt) {
    const auto time = std::chrono::duration_cast<Milliseconds>(*rtt);
    found.measured += ", its last probe took " + std::to_string(time.count()) + " ms";
  }
  return at_once(patient.executor, [then = std::move(then), found] { then(found); });
}

// ---- the path -----------------------------------------------------------------------------------------------------

/// How large a packet the kernel would send there by the tunnel's way; 0 if it does not say.
std::size_t mtu_to(const address& to, const EchoSocket::Options& options) {
  const boost::asio::ip::udp::endpoint endpoint(to, 9);  // nothing is sent
  const net::Descriptor socket{::socket(endpoint.data()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const std::string& name = options.interface;
  if (!name.empty())
    ::setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, name.data(), static_cast<socklen_t>(name.size()));
  boost::system::error_code error;
  const boost::asio::ip::udp::endpoint ours(boost::asio::ip::make_address(options.address, error), 0);
  if (!error && ours.address().is_v6() == to.is_v6())
    static_cast<void>(::bind(socket.get(), ours.data(), static_cast<socklen_t>(ours.size())));
  int mtu = 0;
  socklen_t size = sizeof mtu;
  const bool known =
      ::connect(socket.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())) == 0 &&
      ::getsockopt(socket.get(), to.is_v6() ? static_cast<int>(IPPROTO_IPV6) : static_cast<int>(IPPROTO_IP),
                   to.is_v6() ? IPV6_MTU : IP_MTU, &mtu, &size) == 0;
  return known && mtu > 0 ? static_cast<std::size_t>(mtu) : 0;
}

/// Echoes to one address of the relay's: small ones until one is answered, then large ones, all sizes at once.
class Echoes {
 public:
  Echoes(const address& to, const EchoSocket::Options& options)
      : to_(to), socket_(to.is_v6(), options), mtu_(mtu_to(to, options)) {
    echo_.to = to.to_string();
    const RouteFindings::Way way = net::way_to(to, options.interface);
    echo_.neighbour = way.error.empty() && way.gateway.empty();
  }

  const std::string& problem() const { return socket_.problem(); }
  const PathFindings::Echo& echo() const { return echo_; }
  const std::vector<PathFindings::Large>& large() const { return large_; }

  void run() {
    ask_small();
    if (echo_.answered > 0) ask_large();
  }

 private:
  struct Question {
    std::uint16_t number;
    std::size_t size;
    TimePoint at;
  };

  void ask(std::size_t size) {
    const auto number = static_cast<std::uint16_t>(asked_.size() + 1);
    asked_.push_back({number, size, Clock::now()});
    const int error = socket_.send(to_, number, size);
    for (PathFindings::Large& large : large_) {
      if (error == EMSGSIZE && large.size == size) large.detail = "more than this device sends there at once";
    }
    if (error == 0 || error == EMSGSIZE) return;
    if (echo_.detail.empty()) echo_.detail = std::generic_category().message(error);
    refused_ = refused_ || error == ENETUNREACH || error == EHOSTUNREACH;
  }

  const Question* question_of(const EchoNews& news) const {
    const bool known = news.number >= 1 && news.number <= asked_.size();
    return known ? &asked_[news.number - 1U] : nullptr;
  }

  void ask_small() {
    const TimePoint end = Clock::now() + 2500ms;
    for (const TimePoint at : {Clock::now(), Clock::now() + 500ms, Clock::now() + 1200ms}) {
      while (Clock::now() < at) {
        if (take_small(at)) return;
      }
      ask(EchoSocket::smallest(to_.is_v6()));
      if (refused_) return;
      ++echo_.sent;
    }
    while (Clock::now() < end) {
      if (take_small(end)) return;
    }
  }

  /// True once it is known who answers, or that nobody will.
  bool take_small(TimePoint until) {
    for (const EchoNews& news : socket_.wait(until)) {
      const Question* question = question_of(news);
      if (question == nullptr) continue;
      if (!news.refusal.empty()) {
        echo_.detail = news.refusal + (news.from_here ? "" : " from " + news.from.to_string());
        refused_ = true;
        continue;
      }
      ++echo_.answered;
      echo_.from = news.from.to_string();
      echo_.ttl = news.ttl;
      echo_.round_trip = since(question->at, news.at);
    }
    return echo_.answered > 0 || refused_;
  }

  void ask_large() {
    for (const std::size_t size : {mtu_, std::size_t{1400}, std::size_t{1280}, std::size_t{576}}) {
      if (size > mtu_ || size < EchoSocket::smallest(to_.is_v6()) + 100) continue;
      const auto same = [&](const auto& large) { return large.size == size; };
      if (std::none_of(large_.begin(), large_.end(), same)) {
        PathFindings::Large large;
        large.to = echo_.to;
        large.size = static_cast<unsigned>(size);
        large_.push_back(std::move(large));
      }
    }
    const Duration wait = std::max<Duration>(2 * Duration{echo_.round_trip} + 200ms, 400ms);
    for (int round = 0; round < 3 && !is_large_known(); ++round) {
      for (const PathFindings::Large& large : large_) {
        if (!large.passed) ask(large.size);
      }
      const TimePoint end = Clock::now() + std::min<Duration>(wait, 900ms);
      while (Clock::now() < end && !is_large_known()) take_large(end);
    }
    const bool all_pass = !large_.empty() && large_.front().passed;
    for (PathFindings::Large& large : large_) large.passed = large.passed || all_pass;
  }

  /// What passes at the largest size passes at all.
  bool is_large_known() const {
    return large_.empty() || large_.front().passed || std::all_of(large_.begin(), large_.end(), [](const auto& large) {
             return large.passed || !large.detail.empty();
           });
  }

  void take_large(TimePoint until) {
    for (const EchoNews& news : socket_.wait(until)) {
      const Question* question = question_of(news);
      const auto large = std::find_if(large_.begin(), large_.end(), [&](const auto& each) {
        return question != nullptr && each.size == question->size;
      });
      if (large == large_.end()) continue;
      if (news.refusal.empty()) large->passed = true;
      if (!news.refusal.empty() && !large->passed)
        large->detail = news.refusal + (news.from_here ? "" : " from " + news.from.to_string());
    }
  }

  const address to_;
  EchoSocket socket_;
  const std::size_t mtu_;  ///< of the way there, as far as this device knows it
  PathFindings::Echo echo_;
  std::vector<PathFindings::Large> large_;
  std::vector<Question> asked_;
  bool refused_ = false;
};

Finding examine_path(const std::vector<address>& addresses, const EchoSocket::Options& options) {
  PathFindings found;
  std::list<Echoes> all;
  for (const address& to : addresses) {
    Echoes& echoes = all.emplace_back(to, options);
    if (echoes.problem().empty()) continue;
    found.not_permitted = echoes.problem();
    all.pop_back();
  }
  // One after the other where the first is answered: the others are for when it is not.
  for (Echoes& echoes : all) {
    echoes.run();
    found.echoes.push_back(echoes.echo());
    found.large.insert(found.large.end(), echoes.large().begin(), echoes.large().end());
    if (echoes.echo().answered > 0 || found.echoes.size() == 2) break;
  }
  return found;
}

// ---- TCP ----------------------------------------------------------------------------------------------------------

/// A SYN is sent again after 1 s and after 3 s.
constexpr auto patience = 5500ms;
/// When the relay is tried at another port, should it not have answered at its own.
constexpr auto before_other_port = 3200ms;
constexpr std::uint16_t other_port = 443;

class TcpLook final : public net::Operation {
 public:
  TcpLook(const Patient& patient, std::vector<address> addresses, Then then)
      : executor_(patient.executor),
        connected_(patient.connected),
        there_(patient.there),
        addresses_(std::move(addresses)),
        then_(std::move(then)),
        other_(executor_),
        end_(executor_) {
    connecting_ = net::connect(executor_, endpoints(there_.port), net::options_of(there_, std::nullopt),
                               [this](tl::expected<tcp::socket, Failure> socket) { on_answer(std::move(socket)); });
    other_.start(before_other_port, [this] { try_other_port(); });
    end_.start(patience, [this] { give_up(); });
  }

 private:
  net::Endpoints endpoints(std::uint16_t port) const {
    net::Endpoints endpoints;
    for (const address& one : addresses_) endpoints.emplace_back(one, port);
    return endpoints;
  }

  void on_answer(tl::expected<tcp::socket, Failure> socket) {
    other_.cancel();
    end_.cancel();
    found_.tries = tries_of(*connecting_);
    if (socket) {
      *connected_ = std::move(*socket);
      return tell();
    }
    const bool refused = std::any_of(found_.tries.begin(), found_.tries.end(),
                                     [](const auto& one) { return one.failed == Cause::connection_refused; });
    if (refused) return find_refuser();
    tell();
  }

  /// Asks who refused one of the tries: the relay, or somebody on the way.
  void find_refuser() {
    tcp::endpoint endpoint;
    for (const net::ConnectTry& one : connecting_->tries()) {
      if (one.failure && one.failure->cause == Cause::connection_refused) endpoint = one.endpoint;
    }
    const std::string name = net::to_string(endpoint);
    asking_ = beside(
        executor_,
        [endpoint, options = EchoSocket::Options{there_.bind_interface, there_.bind_address}]() -> Finding {
          return is_refused_on_the_way(endpoint, options) ? Finding{PathFindings{}} : Finding{Skipped{}};
        },
        [this, name](const Finding& finding) {
          const auto* echo = std::get_if<PathFindings>(&finding);
          for (TcpFindings::Try& one : found_.tries) {
            if (one.to == name) one.short_of_relay = echo != nullptr;
          }
          tell();
        });
  }

  void try_other_port() {
    if (there_.port == other_port) return;
    trying_other_ = net::connect(executor_, endpoints(other_port), net::options_of(there_, std::nullopt),
                                 [](const tl::expected<tcp::socket, Failure>&) {});
  }

  void give_up() {
    found_.tries = tries_of(*connecting_);
    if (trying_other_) {
      for (TcpFindings::Try& one : tries_of(*trying_other_)) {
        // A RST from there shows as well that packets to the relay come back.
        if (!one.failed || *one.failed == Cause::connection_refused) found_.others.push_back(std::move(one));
      }
    }
    tell();
  }

  static std::vector<TcpFindings::Try> tries_of(const net::ConnectOperation& operation) {
    const auto& tries = operation.tries();
    const bool any = std::any_of(tries.begin(), tries.end(), [](const auto& one) { return one.ended && !one.failure; });
    std::vector<TcpFindings::Try> all;
    for (const net::ConnectTry& one : tries) {
      if (!one.ended && any) continue;  // another one was faster
      TcpFindings::Try made;
      made.to = net::to_string(one.endpoint);
      made.took = since(one.began, one.ended.value_or(Clock::now()));
      if (!one.ended) {
        made.failed = Cause::connection_timed_out;
        made.detail = "no answer";
      } else if (one.failure) {
        made.failed = one.failure->cause;
        made.detail = one.failure->detail;
      }
      all.push_back(std::move(made));
    }
    return all;
  }

  void tell() {
    const Then then = then_;
    then(found_);
  }

  boost::asio::any_io_executor executor_;
  std::shared_ptr<std::optional<tcp::socket>> connected_;
  const TunnelSpec there_;
  const std::vector<address> addresses_;
  Then then_;
  TcpFindings found_;
  net::Delay other_;
  net::Delay end_;
  std::unique_ptr<net::ConnectOperation> connecting_;
  std::unique_ptr<net::ConnectOperation> trying_other_;
  Look asking_;
};

}  // namespace

Look look_at_path(const Patient& patient, const Findings& so_far, Then then) {
  if (leads_there(patient, so_far)) return tell_of_session(patient, std::move(then));
  auto addresses = addresses_for(so_far);
  if (addresses.empty()) {
    return at_once(patient.executor, [then = std::move(then)] { then(Skipped{"the relay's address is not known"}); });
  }
  const EchoSocket::Options options{patient.there.bind_interface, patient.there.bind_address};
  return beside(
      patient.executor,
      [addresses = std::move(addresses), options]() -> Finding { return examine_path(addresses, options); },
      std::move(then));
}

Look look_at_tcp(const Patient& patient, const Findings& so_far, Then then) {
  if (leads_there(patient, so_far)) return tell_of_session(patient, std::move(then));
  auto addresses = addresses_for(so_far);
  if (addresses.empty()) {
    return at_once(patient.executor, [then = std::move(then)] { then(Skipped{"the relay's address is not known"}); });
  }
  return std::make_unique<TcpLook>(patient, std::move(addresses), std::move(then));
}

}  // namespace holdfast::doctor
