#include "core/tunnel_words.hpp"

#include <cstdlib>
#include <utility>

#include "holdfast/words.hpp"

namespace holdfast {
namespace {

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

/// "held by a silent session of gateway-8, which the relay ends within 4 min"
std::string holder_of(const Explanation& explanation) {
  const bool twin = explanation.refusal == Refusal::held_by_twin;
  const std::string whose = twin ? "another device that is called " + explanation.holder + " too" : explanation.holder;
  if (!explanation.silent) return "held by a session of " + whose;
  return "held by a silent session of " + whose +
         (explanation.guard ? ", which the relay ends within " + to_text(*explanation.guard) + " if it is dead" : "");
}

/// "; the lease says: no record of it, and user id 1001 listens there"
std::string said_by_lease(const Explanation& explanation) {
  return explanation.not_evicted.empty() ? "" : "; the lease says: " + explanation.not_evicted;
}

std::string detail_of(const RemoteForward& forward, const Explanation& explanation) {
  switch (explanation.refusal) {
    case Refusal::unexplained:
      return "the relay gives no reason and " +
             (explanation.no_knock.empty() ? "lets nobody look" : explanation.no_knock) + said_by_lease(explanation);
    case Refusal::policy:
      if (forward.port == 0) return "the relay's rules forbid it";
      return "nobody listens there, so the relay's rules forbid it";
    case Refusal::held_live:
      return "somebody answers on it";
    case Refusal::held_stale:
      return "it is open and silent" + said_by_lease(explanation);
    case Refusal::held_by_other_device:
    case Refusal::held_by_twin:
      return holder_of(explanation);
  }
  std::abort();
}

/// sshd listens on the same addresses for both, whatever they ask for, unless GatewayPorts is `clientspecified`.
Failure shared_port(std::string listener, const std::string& own, const Explanation& explanation) {
  const bool answers = explanation.refusal == Refusal::held_live || explanation.refusal == Refusal::held_stale;
  return {
      Cause::forward_refused, "listen on relay", std::move(listener),
      "this session's own " + own + (answers ? " answers there" : " has this port"),
      "Leave one of the two out, or set GatewayPorts clientspecified on the relay: else its sshd listens on the same "
      "addresses for both."};
}

bool is_privileged(const RemoteForward& forward) {
  constexpr std::uint16_t first_unprivileged = 1024;
  return forward.port != 0 && forward.port < first_unprivileged;
}

/// sshd compares what is permitted with what is asked for letter by letter: localhost is not 127.0.0.1 there.
std::string permission(const RemoteForward& forward) {
  const std::string listener = listener_name(forward);
  const std::string port = forward.port == 0 ? "*" : std::to_string(forward.port);
  const std::string address = forward.bind_address.empty() ? "" : listener.substr(0, listener.rfind(':') + 1);
  std::string words =
      "On the relay, look at AllowTcpForwarding and PermitListen; a key with permitlisten needs "
      "permitlisten=\"" +
      (forward.port == 0 && address.empty() ? "*:" : address) + port + "\", letter by letter.";
  if (is_privileged(forward)) words += " Below port 1024 only root may listen.";
  return words;
}

std::string no_answer_within(Duration limit) {
  return "no answer within " + to_text(limit);
}

}  // namespace

Failure phase_timed_out(const Opening& opening, std::string relay) {
  return {cause_of_timeout(opening.phase), std::string{operation_of(opening.phase)}, std::move(relay),
          no_answer_within(opening.deadline - opening.since)};
}

Failure listen_refused(const TunnelSpec& spec, std::size_t index, const Explanation& explanation,
                       std::string_view server) {
  const RemoteForward& forward = spec.remote_forward[index];
  if (explanation.own) {
    return shared_port(listener_name(forward), listener_name(spec.remote_forward[*explanation.own]), explanation);
  }
  Failure failure{cause_of(explanation.refusal), "listen on relay", listener_name(forward),
                  detail_of(forward, explanation)};
  if (explanation.refusal == Refusal::policy) {
    failure.remedy = permission(forward);
    if (is_privileged(forward) && spec.user != "root") failure.cause = Cause::privileged_port;
  }
  return with_remedy_for(server, std::move(failure));
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
  std::vector<std::string> held;
  for (std::size_t index = 0; index < forwards.size(); ++index) {
    if (forwards[index].state != ForwardState::held) continue;
    held.push_back(forward_name(spec, index, forwards[index].bound_port));
  }
  return held.empty() ? "holding nothing yet" : joined(held, ", ");
}

}  // namespace holdfast
