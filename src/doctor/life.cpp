#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "doctor/patient.hpp"
#include "holdfast/running.hpp"

namespace holdfast::doctor {
namespace {

using namespace std::chrono_literals;

constexpr const char* asking = "ask for a sign of life at";

bool stands(const Patient& patient) {
  return patient.running && has_session(*patient.running);
}

/// What the daemon knows of the session.
Finding known_of(const Patient& patient) {
  if (!patient.running) return Skipped{"no daemon holds this tunnel"};
  return findings_of(patient.there, *patient.running).at(Layer::session);
}

/// Does the session still lead there? It may take minutes until it is given up for its silence.
class SignOfLife final : public net::Operation {
 public:
  SignOfLife(const Patient& patient, StepFindings known, Then then)
      : relay_(relay_name(patient.there)),
        answered_at_(patient.answered_at),
        bytes_received_(patient.bytes_received),
        found_(std::move(known)),
        then_(std::move(then)),
        timer_(patient.executor) {
    patient.ask_relay();
    look_again();
  }

 private:
  void look_again() {
    timer_.expires_after(50ms);
    timer_.async_wait([this, alive = std::weak_ptr<char>{alive_}](const boost::system::error_code& error) {
      if (!error && !alive.expired()) look();
    });
  }

  void look() {
    const TimePoint now = Clock::now();
    const auto answered = answered_at_();
    const bool answers = answered && *answered >= asked_;
    if (!answers && now < asked_ + longest_silence) return look_again();
    if (answers) {
      const auto time = std::chrono::duration_cast<Milliseconds>(*answered - asked_);
      found_.measured += ", and answers after " + std::to_string(time.count()) + " ms";
    } else if (bytes_received_() > received_before_) {  // they stand before the answer, on a link that is busy
      found_.measured += ", and data comes in; an answer takes longer than " + to_text(longest_silence);
    } else {
      const std::string before = answered ? "; its last answer came " + to_text(now - *answered) + " ago" : "";
      found_.failure = Failure{Cause::relay_silent, asking, relay_, "none within " + to_text(longest_silence) + before};
    }
    const Then then = then_;
    then(std::move(found_));
  }

  static constexpr Duration longest_silence = 5s;

  const std::string relay_;
  const std::function<std::optional<TimePoint>()> answered_at_;
  const std::function<std::uint64_t()> bytes_received_;
  const std::uint64_t received_before_ = bytes_received_();
  StepFindings found_;
  const Then then_;
  boost::asio::steady_timer timer_;
  const TimePoint asked_ = Clock::now();
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace

Look look_at_life(const Patient& patient, Then then) {
  Finding known = known_of(patient);
  auto* standing = std::get_if<StepFindings>(&known);
  if (stands(patient) && patient.ask_relay && standing != nullptr)
    return std::make_unique<SignOfLife>(patient, std::move(*standing), std::move(then));
  return at_once(patient.executor, [then = std::move(then), known = std::move(known)] { then(known); });
}

bool leads_there(const Patient& patient, const Findings& so_far) {
  const auto session = so_far.find(Layer::session);
  const auto* found = session == so_far.end() ? nullptr : std::get_if<StepFindings>(&session->second);
  const bool silent = found != nullptr && found->failure && found->failure->operation == asking;
  return stands(patient) && !silent;
}

}  // namespace holdfast::doctor
