#include "forward/target.hpp"

#include <boost/asio/buffer.hpp>
#include <optional>
#include <utility>

#include "doctor/listeners.hpp"
#include "doctor/patient.hpp"
#include "holdfast/diagnosis.hpp"
#include "holdfast/lifetime.hpp"
#include "net/delay.hpp"

namespace holdfast::doctor {
namespace {

constexpr std::chrono::seconds longest_connect{2};
constexpr std::chrono::seconds longest_silence{3};       ///< of a server that speaks first, as for a proof
constexpr std::chrono::milliseconds first_silence{500};  ///< of any other, whose words are only shown
constexpr std::string_view greeting = "SSH-2.0-holdfast\r\n";

/// One target: connects, and listens to what it says first.
class Visit {
 public:
  Visit(const Patient& patient, const Target& target, TargetFindings::Target& found, std::function<void()> done)
      : found_(found), done_(std::move(done)), silence_(patient.executor) {
    connecting_ = forward::connect_target(
        patient.executor, patient.resolver, target, patient.there.address_family, longest_connect,
        [this](tl::expected<forward::Socket, Failure> socket) { connected(std::move(socket)); });
  }

 private:
  void connected(tl::expected<forward::Socket, Failure> socket) {
    found_.took = std::chrono::duration_cast<Milliseconds>(Clock::now() - began_);
    if (!socket) {
      const Cause cause = socket.error().cause;
      found_.said = TargetFindings::Said::not_connected;
      found_.unresolved = cause == Cause::name_not_found || cause == Cause::resolver_unavailable;
      found_.timed_out = cause == Cause::connection_timed_out;
      found_.detail = socket.error().detail.empty() ? std::string{to_string(cause)} : socket.error().detail;
      return done_();
    }
    found_.said = TargetFindings::Said::nothing;
    socket_.emplace(std::move(*socket));
    const bool speaks_first = found_.spoke_before || !first_words_of(found_.port).empty();
    silence_.start(speaks_first ? Duration{longest_silence} : Duration{first_silence}, [this] { hang_up(); });
    // A web server on SSH's port says nothing before it is asked.
    boost::system::error_code ignored;
    if (found_.port == 22) socket_->write_some(boost::asio::buffer(greeting), ignored);
    socket_->async_read_some(
        boost::asio::buffer(words_),
        lifetime_.guard([this](const boost::system::error_code& error, std::size_t count) { heard(error, count); }));
  }

  void heard(const boost::system::error_code& error, std::size_t count) {
    if (over_) return;
    found_.said = error ? TargetFindings::Said::closed : TargetFindings::Said::something;
    found_.words.assign(words_.data(), count);
    found_.words.resize(std::min(found_.words.find_first_of("\r\n"), found_.words.size()));
    hang_up();
  }

  void hang_up() {
    if (std::exchange(over_, true)) return;
    silence_.cancel();
    boost::system::error_code ignored;
    socket_->close(ignored);
    done_();
  }

  TargetFindings::Target& found_;
  const std::function<void()> done_;
  const TimePoint began_ = Clock::now();
  net::Delay silence_;
  Look connecting_;
  std::optional<forward::Socket> socket_;
  std::array<char, 128> words_{};
  bool over_ = false;
  Lifetime lifetime_;
};

/// By the running tunnel's last proof.
bool spoke_before(const Patient& patient, std::size_t forward) {
  if (!patient.running || forward >= patient.running->forwards.size()) return false;
  const auto& proof = patient.running->forwards[forward].proof;
  return proof && proof->result == ProofResult::verified;
}

bool is_this_device(const Target& target) {
  const auto* tcp = std::get_if<TcpTarget>(&target);
  return tcp != nullptr && (tcp->host == "localhost" || tcp->host.starts_with("127.") || tcp->host == "::1");
}

class TargetLook final : public net::Operation {
 public:
  TargetLook(const Patient& patient, Then then) : executor_(patient.executor), then_(std::move(then)) {
    const auto& forwards = patient.there.remote_forward;
    found_.targets.resize(forwards.size());
    waiting_ = forwards.size();
    for (std::size_t at = 0; at < forwards.size(); ++at) {
      TargetFindings::Target& found = found_.targets[at];
      found.forward = listener_name(forwards[at]);
      found.target = target_name(forwards[at].target);
      if (const auto* tcp = std::get_if<TcpTarget>(&forwards[at].target)) found.port = tcp->port;
      found.here = is_this_device(forwards[at].target);
      found.spoke_before = spoke_before(patient, at);
      visits_.push_back(std::make_unique<Visit>(patient, forwards[at].target, found, [this] {
        if (--waiting_ == 0) tell();
      }));
    }
  }

 private:
  void tell() {
    looking_ = beside(
        executor_,
        [found = found_]() mutable -> Finding {
          for (TargetFindings::Target& target : found.targets) {
            if (target.here && target.said == TargetFindings::Said::not_connected)
              target.listens = listening_at(target.port);
          }
          return found;
        },
        then_);
  }

  boost::asio::any_io_executor executor_;
  Then then_;
  TargetFindings found_;
  std::size_t waiting_ = 0;
  std::vector<std::unique_ptr<Visit>> visits_;
  Look looking_;
};

}  // namespace

Look look_at_targets(const Patient& patient, Then then) {
  if (patient.there.remote_forward.empty())
    return at_once(patient.executor, [then = std::move(then)] { then(TargetFindings{}); });
  return std::make_unique<TargetLook>(patient, std::move(then));
}

}  // namespace holdfast::doctor
