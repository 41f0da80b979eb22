#include "holdfast/tunnel_report.hpp"

#include <algorithm>

#include "holdfast/relays.hpp"

namespace holdfast {
namespace {

PhaseReport phase_report(const Phase& phase, TimePoint now) {
  PhaseReport report{kind_of(phase)};
  if (const auto* opening = std::get_if<Opening>(&phase)) report.opening = opening->phase;
  if (const auto* waiting = std::get_if<BackingOff>(&phase)) {
    report.next_retry = std::max(waiting->until - now, Duration::zero());
  }
  return report;
}

std::optional<FailureReport> last_error(const History& history, TimePoint now) {
  const auto& error = history.last_error();
  return error ? std::optional{FailureReport{error->failure, now - error->at, to_text(error->wall)}} : std::nullopt;
}

std::optional<TimePoint> next_try(const TunnelState& state, std::size_t relay, TimePoint now) {
  const RelayProgress& progress = state.failover.all().at(relay);
  if (const auto* waiting = std::get_if<BackingOff>(&state.phase)) {
    return waiting->relay == relay ? std::max(waiting->until, now) : progress.next_try;
  }
  if (std::holds_alternative<Established>(state.phase)) return progress.look_after;
  return relay == state.failover.current() ? std::nullopt : progress.next_try;
}

RelayReport relay_report(const RelaySpec& relay, const TunnelState& state, std::size_t index, TimePoint now) {
  RelayReport report{relay_name(relay), index == state.failover.current()};
  const RelayProgress& progress = state.failover.all().at(index);
  if (progress.failure) report.failure = FailureReport{*progress.failure, now - progress.failed_at};
  report.timeouts = progress.timeouts.known();
  report.max_segment = progress.segments.bytes();
  if (progress.refusal) report.refusal = FailureReport{*progress.refusal, now - progress.refused_at};
  const auto next = next_try(state, index, now);
  if (next && *next >= now) report.next_try = *next - now;
  return report;
}

ForwardReport forward_report(const RemoteForward& forward, const ForwardProgress& progress, const Counters& counters) {
  ForwardReport report{listener_name(forward), target_name(forward.target), progress.state,         progress.bound_port,
                       counters.open,          counters.accepted,           counters.target_refused};
  if (progress.state == ForwardState::refused) {
    const Explanation& explanation = progress.explanation.value();
    report.refusal = explanation.refusal;
    report.holder = explanation.holder;
  }
  report.beyond_loopback = asks_beyond_loopback(forward.bind_address);
  return report;
}

std::vector<ForwardReport> forward_reports(const TunnelSpec& spec, const TunnelState& state, const TunnelFacts& facts,
                                           TimePoint now) {
  std::vector<ForwardReport> reports;
  const ForwardTable* table = forwards_of(state.phase);
  const std::vector<ListensOn>& listens_on = facts.attempt.listens_on;
  for (std::size_t index = 0; index < spec.remote_forward.size(); ++index) {
    const ForwardProgress progress = table != nullptr ? (*table)[index] : ForwardProgress{};
    ForwardReport& report =
        reports.emplace_back(forward_report(spec.remote_forward[index], progress, facts.counters.at(index)));
    if (progress.state == ForwardState::held && index < listens_on.size()) report.listens_on = listens_on[index];
    if (const Proof* proof = proof_of(state.phase, index)) {
      report.proof = ProofReport{proof->result, now - proof->at, proof->failures, proof->failure};
    }
  }
  return reports;
}

std::string lease_condition(const TunnelSpec& spec, const TunnelState& state, const AttemptFacts& attempt,
                            TimePoint now) {
  if (!spec.lease) return std::string{lease_off};
  const LiveSession* session = session_of(state.phase);
  if (session == nullptr) return "";
  const LeaseChannel& lease = session->lease;
  if (lease.is_lost()) return lease.problem() + (lease.due() ? "; opened again in " + to_text(*lease.due() - now) : "");
  if (!attempt.unrecorded.empty()) return "the lease can't be recorded: " + attempt.unrecorded;
  return std::string{lease.ready() ? lease_ready : lease_opening};
}

std::optional<Duration> period_of_probes(const TunnelState& state) {
  const LiveSession* session = session_of(state.phase);
  if (session == nullptr) return std::nullopt;
  const Duration period = probe_period(session->lease.liveness());
  return period > Duration::zero() ? std::optional{period} : std::nullopt;
}

}  // namespace

TunnelReport report_of(const TunnelSpec& spec, const TunnelState& state, const History& history,
                       const TunnelFacts& facts, TimePoint now) {
  const std::vector<RelaySpec> relays = relays_of(spec);
  TunnelReport report;
  report.name = spec.name;
  report.relay = relay_name(relays.at(state.failover.current()));
  for (std::size_t index = 0; index < relays.size(); ++index) {
    report.relays.push_back(relay_report(relays[index], state, index, now));
  }
  report.address = facts.attempt.address;
  report.server = facts.attempt.server;
  report.host_key = facts.attempt.host_key;
  report.relay_says = facts.relay_says;
  report.phase = phase_report(state.phase, now);
  report.up = is_up(state);
  report.unproven = report.up && spec.readiness == Readiness::verified && !is_proven(state, spec, now);
  report.in_state = now - facts.phase_entered;
  report.attempt = state.attempt;
  report.sessions_established = facts.sessions_established;
  report.last_error = last_error(history, now);
  report.losses = state.losses.recent(now);
  for (const History::End& end : history.ends())
    report.ends.push_back({end.why, now - end.at, end.held, to_text(end.wall)});
  report.failures = history.counts();
  report.forwards = forward_reports(spec, state, facts, now);
  report.refused_opens = facts.refused_opens;
  report.bytes_received = facts.bytes_received;
  report.bytes_sent = facts.bytes_sent;
  report.keepalive_rtt = facts.attempt.keepalive_rtt;
  if (!facts.attempt.cipher.empty()) {
    report.cipher = facts.attempt.cipher;
    report.cipher_reason = facts.attempt.cipher_reason;
  }
  report.lease_outdated = facts.attempt.lease_outdated;
  report.relay_clock = facts.attempt.relay_clock;
  report.lease = lease_condition(spec, state, facts.attempt, now);
  report.probe_period = period_of_probes(state);
  return report;
}

ChangeReport change_report_of(const TunnelSpec& spec, const TunnelState& state, const History& history, TimePoint now) {
  return {relay_name(relays_of(spec).at(state.failover.current())), phase_report(state.phase, now), state.attempt,
          last_error(history, now)};
}

}  // namespace holdfast
