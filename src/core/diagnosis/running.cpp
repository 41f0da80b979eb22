#include "holdfast/running.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include "core/diagnosis/judges.hpp"

namespace holdfast {
namespace {

StepFindings taken(std::string measured, std::vector<std::string> evidence = {}) {
  return {std::nullopt, std::move(measured), std::move(evidence)};
}

std::string how_it_ended(const EndReport& end) {
  return to_text(end.age) + " ago a session ended after " + to_text(end.held) + ": " +
         (end.why ? describe(*end.why) : "on request");
}

// ---- the session ----------------------------------------------------------------------------------------------------

/// The latest first; those of one reason share a line.
std::vector<std::string> past_of(const TunnelReport& tunnel) {
  std::vector<std::string> evidence;
  std::vector<std::string> reasons;
  std::vector<unsigned> more;
  std::for_each(tunnel.ends.rbegin(), tunnel.ends.rend(), [&](const EndReport& end) {
    const std::string reason = end.why ? describe(*end.why) : "";
    const auto known = std::find(reasons.begin(), reasons.end(), reason);
    if (known != reasons.end()) {
      ++more[static_cast<std::size_t>(known - reasons.begin())];
      return;
    }
    reasons.push_back(reason);
    more.push_back(0);
    evidence.push_back(how_it_ended(end));
  });
  for (std::size_t at = 0; at < more.size(); ++at) {
    if (more[at] > 0) evidence[at] += "; " + std::to_string(more[at]) + " before it ended alike";
  }
  return evidence;
}

StepFindings standing(const TunnelReport& tunnel) {
  const bool ends = tunnel.phase.kind == PhaseKind::draining;
  StepFindings found =
      taken((ends ? "is being ended, for " : "holds for ") + to_text(tunnel.in_state) + " at " + tunnel.address,
            past_of(tunnel));
  for (const RelayReport& relay : tunnel.relays) {
    if (relay.current) break;  // those behind it are not needed
    if (relay.failure)
      found.evidence.push_back("the preferred " + relay.relay + ": " + describe(relay.failure->failure));
  }
  const bool often = std::any_of(tunnel.losses.begin(), tunnel.losses.end(), [](const RecentLosses& losses) {
    return losses.of == LossOf::session && too_often(losses);
  });
  if (often && !tunnel.ends.empty()) found.failure = tunnel.ends.back().why;
  return found;
}

Finding not_standing(const TunnelReport& tunnel) {
  if (!tunnel.last_error) return Skipped{"it has none yet: " + condition(tunnel.phase)};
  StepFindings found = taken(condition(tunnel.phase), past_of(tunnel));
  found.failure = tunnel.last_error->failure;
  return found;
}

// ---- the listeners --------------------------------------------------------------------------------------------------

Failure refusal_of(const ForwardReport& forward) {
  const Cause cause = cause_of(forward.refusal.value_or(Refusal::unexplained));
  return {cause, "listen on relay", forward.listener, forward.holder};
}

/// The failure that was told of it last says more than its state; while it is asked for anew it says all.
StepFindings listener_of(const TunnelReport& tunnel, const ForwardReport& forward) {
  StepFindings found = taken(forward.listener + " " + condition(forward));
  const bool told = tunnel.last_error && tunnel.last_error->failure.subject == forward.listener;
  if (forward.state == ForwardState::refused) found.failure = refusal_of(forward);
  if (forward.state != ForwardState::held && told) found.failure = tunnel.last_error->failure;
  if (found.failure && found.failure->cause == Cause::listener_held_stale) {
    if (found.failure->remedy.empty()) found.failure = with_remedy_for(tunnel.server, *found.failure);
    if (!tunnel.ends.empty())
      found.evidence.push_back("most likely by this tunnel's session before: " + how_it_ended(tunnel.ends.back()));
  }
  if (is_narrower(forward.listens_on)) {
    found.failure = Failure{Cause::listens_elsewhere, "listen on relay", forward.listener,
                            std::string{in_words(forward.listens_on)}, std::string{remedy(forward.listens_on)}};
  }
  return found;
}

/// What comes of it at the target is told there.
StepFindings proof_of(const ForwardReport& forward) {
  StepFindings found = taken(forward.listener + ": " + condition(forward));
  const ProofReport& proof = forward.proof.value();
  const bool came_back = is_good(proof.result) || proof.result == ProofResult::target_down;
  if (came_back) found.measured = forward.listener + " leads back to us: " + condition(forward);
  if (!came_back) found.failure = proof.failure;
  return found;
}

/// The worst of several is what is found; the others are evidence.
Finding worst_of(std::vector<StepFindings> each, const std::string& none) {
  if (each.empty()) return Skipped{none};
  const auto badness = [](const StepFindings& found) {
    return found.failure ? 1 + static_cast<int>(facts_of(found.failure->cause).severity) : 0;
  };
  std::stable_sort(each.begin(), each.end(),
                   [&](const auto& left, const auto& right) { return badness(left) > badness(right); });
  StepFindings worst = each.front();
  for (auto other = each.begin() + 1; other != each.end(); ++other)
    worst.evidence.push_back(other->failure ? describe(*other->failure) : other->measured);
  return worst;
}

Finding lease_of(const TunnelReport& tunnel) {
  if (tunnel.lease == lease_off) return Skipped{"it is switched off (lease)"};
  if (tunnel.lease == lease_opening) return Skipped{"it is being opened"};
  StepFindings found = taken("");
  if (tunnel.lease == lease_ready) {
    found.measured = "our script runs beside the session";
    if (tunnel.lease_outdated)
      found.failure =
          Failure{Cause::lease_outdated, "run our script at", tunnel.relay, "it does not know all that is asked of it"};
    return found;
  }
  found.failure = Failure{Cause::lease_unavailable, "run our script at", tunnel.relay, tunnel.lease};
  return found;
}

}  // namespace

bool has_session(const TunnelReport& tunnel) {
  const PhaseKind kind = tunnel.phase.kind;
  return kind == PhaseKind::standing_by || kind == PhaseKind::requesting_forwards || kind == PhaseKind::established ||
         kind == PhaseKind::draining;
}

Findings findings_of(const TunnelSpec& spec, const TunnelReport& tunnel) {
  Findings findings;
  if (!has_session(tunnel)) {
    for (const Layer layer : {Layer::listener, Layer::lease, Layer::proof})
      findings[layer] = Skipped{"no session stands"};
    const Finding session = not_standing(tunnel);
    const auto* step = std::get_if<StepFindings>(&session);
    const Layer layer = step == nullptr ? Layer::session : facts_of(step->failure->cause).layer;
    findings[Layer::session] = layer > Layer::session ? Skipped{condition(tunnel.phase)} : session;
    if (layer == Layer::listener || layer == Layer::proof) findings[layer] = session;
    return findings;
  }
  const std::string through = "the running session is through: ";
  findings[Layer::banner] = taken(through + tunnel.server + " at " + tunnel.address);
  findings[Layer::key_exchange] = taken(through + tunnel.cipher.value_or(""));
  findings[Layer::host_key] = taken(through + tunnel.host_key);
  findings[Layer::authentication] = taken(through + "as " + spec.user, tunnel.relay_says);
  findings[Layer::session] = standing(tunnel);
  findings[Layer::lease] = lease_of(tunnel);
  std::vector<StepFindings> listeners;
  std::vector<StepFindings> proofs;
  for (const ForwardReport& forward : tunnel.forwards) {
    listeners.push_back(listener_of(tunnel, forward));
    if (forward.proof) proofs.push_back(proof_of(forward));
  }
  findings[Layer::listener] = worst_of(std::move(listeners), "there is no forward");
  findings[Layer::proof] = worst_of(std::move(proofs), "no listener was proven yet: look again in a minute");
  return findings;
}

Findings with_what_is_known(Findings looked, const TunnelSpec& spec, const TunnelReport& tunnel) {
  if (has_session(tunnel)) {
    looked.merge(findings_of(spec, tunnel));
    return looked;
  }
  if (!tunnel.last_error) return looked;
  StepFindings met;
  met.failure = tunnel.last_error->failure;
  const Layer layer = facts_of(met.failure->cause).layer;
  looked[looked.contains(layer) ? Layer::session : layer] = std::move(met);
  return looked;
}

}  // namespace holdfast
