#include "holdfast/tunnel_log.hpp"

#include <algorithm>

#include "core/tunnel_words.hpp"
#include "holdfast/overloaded.hpp"
#include "holdfast/relays.hpp"

namespace holdfast {
namespace {

/// How long the log is silent about a failure that only repeats itself.
constexpr Duration repetition_quiet = std::chrono::minutes{1};
/// A relay that words each failure differently gets no more of our memory.
constexpr std::size_t most_failures = 8;

std::string name_of(const TunnelSpec& spec, std::size_t relay) {
  return relay_name(relays_of(spec)[relay]);
}

LogLine proof_line(const TunnelSpec& spec, const ProofChanged& change) {
  const std::string forward = forward_name(spec, change.forward, change.bound_port);
  if (is_good(change.proof.result)) {
    // The first good one is nothing to tell.
    return {change.was_bad ? LogLevel::info : LogLevel::verbose, "verified: " + forward};
  }
  const Failure& failure = change.proof.failure.value();
  if (facts_of(failure.cause).severity == Severity::note) {
    const std::string why = failure.detail.empty() ? "" : ": " + failure.detail;
    return {LogLevel::info, "can't be verified: " + forward + why + ". " + std::string{remedy(failure)}};
  }
  return {LogLevel::error, with_remedy(failure), failure};
}

LogLine lease_line(const LeaseUnavailable& lease) {
  const std::string text = "no lease on the relay: " + lease.why;
  if (!lease.again_in) return {LogLevel::verbose, text};
  return {LogLevel::info, text + "; opened again in " + to_text(*lease.again_in)};
}

}  // namespace

std::optional<LogLine> TunnelLog::line(const TunnelSpec& spec, const Happening& happening, TimePoint now) {
  using Line = std::optional<LogLine>;
  const auto info = [](std::string text) -> Line { return LogLine{LogLevel::info, std::move(text)}; };
  const auto verbose = [](std::string text) -> Line { return LogLine{LogLevel::verbose, std::move(text)}; };
  return std::visit(
      overloaded{[&](const StandsBy&) { return info("logged in, and standing by"); },
                 [&](const SessionStands& session) -> Line { return stands(spec, session); },
                 [&](const SessionEnded&) -> Line {
                   session_stands_ = false;
                   return std::nullopt;
                 },
                 [&](const AttemptFailed& attempt) -> Line { return failed(spec, attempt, now); },
                 [&](const ListenerHeld& listener) {
                   if (!session_stands_) return Line{};  // the line that says that it stands tells all
                   return info("now holding " + forward_name(spec, listener.forward, listener.bound_port));
                 },
                 [&](const ListenerRefused& listener) -> Line { return refused(listener, now); },
                 [&](const ListenerFreed& listener) {
                   return info("ended a dead session of this device, which held " +
                               listener_name(spec.remote_forward[listener.forward]));
                 },
                 [&](const ProofChanged& change) -> Line { return proof_line(spec, change); },
                 [&](const LeaseUnavailable& lease) -> Line { return lease_line(lease); },
                 [&](const BetterRelayAnswers& better) {
                   return verbose("the better relay " + name_of(spec, better.relay) + " answers again");
                 },
                 [&](const BetterRelayNotBack& better) {
                   return verbose("the better relay " + name_of(spec, better.relay) + " is not back yet (" +
                                  better.why + "); looked at again in " + to_text(better.again_in));
                 },
                 [&](const GoingBack& better) {
                   return info("going back to " + name_of(spec, better.relay) + ", which answers again");
                 },
                 [&](const DrainBegan&) { return info("giving up the listeners and draining connections"); },
                 [&](const TunnelStopped&) { return info("stopped"); }},
      happening);
}

LogLine TunnelLog::stands(const TunnelSpec& spec, const SessionStands& session) {
  told_.clear();
  session_stands_ = true;
  const std::string where = spec.relays.size() > 1 ? " at " + name_of(spec, session.relay) : "";
  return {LogLevel::info, "established" + where + ": " + held_forwards(spec, session.forwards)};
}

LogLine TunnelLog::failed(const TunnelSpec& spec, const AttemptFailed& attempt, TimePoint now) {
  const Failure& failure = attempt.failure;
  const auto untold = note(failure, now);
  const std::string times = untold.value_or(0) == 0 ? "" : " (and " + std::to_string(*untold) + " times before)";
  const std::string where = attempt.elsewhere ? "at " + name_of(spec, *attempt.elsewhere) + " " : "";
  return {untold ? LogLevel::error : LogLevel::verbose,
          describe(failure) + times + "; next try " + where + "in " + to_text(attempt.wait) + ". " +
              std::string{remedy(failure)},
          failure};
}

LogLine TunnelLog::refused(const ListenerRefused& listener, TimePoint now) {
  const bool told = note(listener.failure, now).has_value();
  return {told ? LogLevel::error : LogLevel::verbose, with_remedy(listener.failure), listener.failure};
}

std::optional<unsigned> TunnelLog::note(const Failure& failure, TimePoint now) {
  const auto same = [&failure](const Told& told) { return told.failure == failure; };
  unsigned untold = 0;
  if (const auto known = std::find_if(told_.begin(), told_.end(), same); known != told_.end()) {
    if (now - known->at < repetition_quiet) {
      ++known->repeated;
      return std::nullopt;
    }
    untold = known->repeated;
    told_.erase(known);
  }
  if (told_.size() == most_failures) told_.erase(told_.begin());
  told_.push_back({failure, now});
  return untold;
}

}  // namespace holdfast
