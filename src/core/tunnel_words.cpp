#include "core/tunnel_words.hpp"

#include <cstdlib>
#include <utility>

namespace holdfast {
namespace {

std::string_view operation_of(OpeningPhase phase) {
  switch (phase) {
    case OpeningPhase::resolve:
      return "resolve";
    case OpeningPhase::connect:
      return "connect";
    case OpeningPhase::banner:
      return "read banner of";
    case OpeningPhase::key_exchange:
      return "exchange keys with";
    case OpeningPhase::authenticate:
      return "authenticate at";
  }
  std::abort();
}

Cause cause_of_timeout(OpeningPhase phase) {
  switch (phase) {
    case OpeningPhase::resolve:
      return Cause::resolver_unavailable;
    case OpeningPhase::connect:
      return Cause::connection_timed_out;
    case OpeningPhase::banner:
    case OpeningPhase::key_exchange:
    case OpeningPhase::authenticate:
      return Cause::phase_timed_out;
  }
  std::abort();
}

Cause cause_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::unexplained:
    case Refusal::policy:
      return Cause::forward_refused;
    case Refusal::held_live:
      return Cause::listener_held_live;
    case Refusal::held_stale:
      return Cause::listener_held_stale;
    case Refusal::held_by_other_device:
      return Cause::listener_held_by_other_device;
  }
  std::abort();
}

std::string detail_of(const Explanation& explanation) {
  switch (explanation.refusal) {
    case Refusal::unexplained:
      return "the relay gives no reason and " +
             (explanation.no_knock.empty() ? "lets nobody look" : explanation.no_knock);
    case Refusal::policy:
      return "nobody listens there, so the relay's rules forbid it";
    case Refusal::held_live:
      return "somebody answers on it";
    case Refusal::held_stale:
      return "it is open and silent";
    case Refusal::held_by_other_device:
      return "its name is " + explanation.holder;
  }
  std::abort();
}

std::string no_answer_within(Duration limit) {
  return "no answer within " + to_text(limit);
}

}  // namespace

Failure phase_timed_out(const Opening& opening, std::string relay) {
  return {cause_of_timeout(opening.phase), std::string{operation_of(opening.phase)}, std::move(relay),
          no_answer_within(opening.deadline - opening.since)};
}

Failure listen_refused(const RemoteForward& forward, const Explanation& explanation, std::string_view server) {
  return with_remedy_for(
      server, {cause_of(explanation.refusal), "listen on relay", listener_name(forward), detail_of(explanation)});
}

Failure listen_unanswered(std::string relay, Duration limit) {
  return {Cause::phase_timed_out, "listen on relay", std::move(relay), no_answer_within(limit)};
}

Failure relay_silent(std::string relay, std::string detail) {
  return {Cause::relay_silent, "keep alive", std::move(relay), std::move(detail)};
}

std::string likely_reason(const RelayProgress& penalising) {
  if (penalising.refusal) return ", most likely a penalty for what came before: " + describe(*penalising.refusal);
  const bool again = penalising.failure && penalising.failure->cause == Cause::relay_penalty;
  return again ? " again: more likely a penalty for others behind this address than MaxStartups"
               : ": MaxStartups, or a penalty for others behind this address";
}

Failure ended_by(const Timeout& timeout, Failure failure, const LivenessSpec& from_now_on) {
  switch (timeout.of) {
    case TimeoutOf::idle_connection:
      failure.cause = Cause::idle_timeout;
      failure.detail += ", as those before, after " + to_text(timeout.after) + " of silence";
      if (const Duration period = probe_period(from_now_on); period > Duration::zero()) {
        failure.detail += "; the next ones get a sign of life every " + to_text(period);
      }
      return failure;
    case TimeoutOf::session:
    case TimeoutOf::idle_lease:
      failure.cause = Cause::session_timeout;
      failure.detail += ", as those before, at the age of " + to_text(timeout.after);
      return failure;
  }
  std::abort();
}

Failure reconnect_requested(std::string relay) {
  return {Cause::operator_request, "reconnect", std::move(relay), ""};
}

std::string with_remedy(const Failure& failure) {
  return describe(failure) + ". " + std::string{remedy(failure)};
}

std::string forward_name(const TunnelSpec& spec, std::size_t forward, std::uint16_t bound_port) {
  RemoteForward bound = spec.remote_forward[forward];
  bound.port = bound_port;
  return listener_name(bound) + " -> " + target_name(bound.target);
}

std::string held_forwards(const TunnelSpec& spec, const ForwardTable& forwards) {
  std::string held;
  for (std::size_t index = 0; index < forwards.size(); ++index) {
    if (forwards[index].state != ForwardState::held) continue;
    held += (held.empty() ? "" : ", ") + forward_name(spec, index, forwards[index].bound_port);
  }
  return held.empty() ? "holding nothing yet" : held;
}

}  // namespace holdfast
