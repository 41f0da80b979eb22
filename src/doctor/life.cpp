#include <chrono>
#include <utility>

#include "doctor/patient.hpp"
#include "holdfast/running.hpp"
#include "net/delay.hpp"

namespace holdfast::doctor {
namespace {

using namespace std::chrono_literals;

constexpr const char* asking = "ask for a sign of life at";

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
        session_(patient.session),
        before_(patient.session().value_or(SessionNow{})),
        found_(std::move(known)),
        then_(std::move(then)),
        timer_(patient.executor) {
    patient.ask_relay();
    look_again();
  }

 private:
  void look_again() {
    timer_.start(50ms, [this] { look(); });
  }

  void look() {
    const TimePoint now = Clock::now();
    const auto session = session_();
    const bool answers = session && session->answered_at >= asked_;
    if (session && !answers && now < asked_ + longest_silence) return look_again();
    if (answers) {
      const auto time = std::chrono::duration_cast<Milliseconds>(*session->answered_at - asked_);
      found_.measured += ", and answers after " + std::to_string(time.count()) + " ms";
    } else if (session && session->bytes_received > before_.bytes_received) {
      // They stand before the answer, on a link that is busy.
      found_.measured += ", and data comes in; an answer takes longer than " + to_text(longest_silence);
    } else {
      found_.failure = Failure{Cause::relay_silent, asking, relay_, silence(now, session.has_value())};
    }
    const Then then = then_;
    then(std::move(found_));
  }

  std::string silence(TimePoint now, bool stands) const {
    std::string words = stands ? "none within " + to_text(longest_silence) : "the tunnel gave the session up meanwhile";
    if (before_.answered_at) words += "; its last answer came " + to_text(now - *before_.answered_at) + " ago";
    return words;
  }

  static constexpr Duration longest_silence = 5s;

  const std::string relay_;
  const std::function<std::optional<SessionNow>()> session_;
  const SessionNow before_;
  StepFindings found_;
  const Then then_;
  net::Delay timer_;
  const TimePoint asked_ = Clock::now();
};

}  // namespace

Look look_at_life(const Patient& patient, Then then) {
  Finding known = known_of(patient);
  auto* standing = std::get_if<StepFindings>(&known);
  if (stands(patient) && patient.ask_relay && standing != nullptr)
    return std::make_unique<SignOfLife>(patient, std::move(*standing), std::move(then));
  return at_once(patient.executor, [then = std::move(then), known = std::move(known)] { then(known); });
}

bool stands(const Patient& patient) {
  return patient.running && has_session(*patient.running);
}

bool leads_there(const Patient& patient, const Findings& so_far) {
  const auto session = so_far.find(Layer::session);
  const auto* found = session == so_far.end() ? nullptr : std::get_if<StepFindings>(&session->second);
  return stands(patient) && found != nullptr && !(found->failure && found->failure->operation == asking);
}

}  // namespace holdfast::doctor
