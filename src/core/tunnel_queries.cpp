#include <algorithm>
#include <cstdlib>

#include "holdfast/enumerators.hpp"
#include "holdfast/overloaded.hpp"
#include "holdfast/tunnel.hpp"

namespace holdfast {
namespace {

constexpr Duration wedged_after = std::chrono::hours{2};

bool any_held(const ForwardTable& forwards) {
  return std::any_of(forwards.begin(), forwards.end(),
                     [](const ForwardProgress& forward) { return forward.state == ForwardState::held; });
}

}  // namespace

std::string_view to_string(OpeningPhase phase) {
  return spelling(phase).name;
}

std::string_view operation_of(OpeningPhase phase) {
  switch (phase) {
    case OpeningPhase::resolve:
      return "resolve";
    case OpeningPhase::connect:
      return "connect to";
    case OpeningPhase::banner:
      return "read the banner of";
    case OpeningPhase::key_exchange:
      return "exchange keys with";
    case OpeningPhase::authenticate:
      return "authenticate to";
  }
  std::abort();
}

PhaseKind kind_of(const Phase& phase) {
  return std::visit(
      overloaded{[](const Idle&) { return PhaseKind::idle; }, [](const Opening&) { return PhaseKind::opening; },
                 [](const StandingBy&) { return PhaseKind::standing_by; },
                 [](const RequestingForwards&) { return PhaseKind::requesting_forwards; },
                 [](const Established&) { return PhaseKind::established; },
                 [](const Draining&) { return PhaseKind::draining; }, [](const Closing&) { return PhaseKind::closing; },
                 [](const BackingOff&) { return PhaseKind::backing_off; },
                 [](const Stopped&) { return PhaseKind::stopped; }},
      phase);
}

std::string_view to_string(PhaseKind kind) {
  return spelling(kind).name;
}

std::string_view phase_name(const Phase& phase) {
  return to_string(kind_of(phase));
}

const LiveSession* session_of(const Phase& phase) {
  if (const auto* waiting = std::get_if<StandingBy>(&phase)) return &waiting->session;
  if (const auto* requesting = std::get_if<RequestingForwards>(&phase)) return &requesting->session;
  if (const auto* established = std::get_if<Established>(&phase)) return &established->session;
  return nullptr;
}

const ForwardTable* forwards_of(const Phase& phase) {
  using Table = const ForwardTable*;
  return std::visit(
      overloaded{[](const Idle&) -> Table { return nullptr; }, [](const Opening&) -> Table { return nullptr; },
                 [](const StandingBy&) -> Table { return nullptr; },
                 [](const RequestingForwards& requesting) -> Table { return &requesting.session.listeners.table(); },
                 [](const Established& established) -> Table { return &established.session.listeners.table(); },
                 [](const Draining& draining) -> Table { return &draining.forwards; },
                 [](const Closing&) -> Table { return nullptr; }, [](const BackingOff&) -> Table { return nullptr; },
                 [](const Stopped&) -> Table { return nullptr; }},
      phase);
}

bool has_no_listener(const Phase& phase) {
  return std::visit(overloaded{[](const Idle&) { return true; }, [](const Opening&) { return true; },
                               [](const StandingBy&) { return true; }, [](const RequestingForwards&) { return false; },
                               [](const Established&) { return false; },
                               [](const Draining& draining) { return !any_held(draining.forwards); },
                               [](const Closing& closing) { return closing.gave_back; },
                               [](const BackingOff&) { return true; }, [](const Stopped&) { return true; }},
                    phase);
}

bool is_up(const TunnelState& state) {
  const auto* established = std::get_if<Established>(&state.phase);
  return established != nullptr && established->session.listeners.all_held();
}

const Proof* proof_of(const Phase& phase, std::size_t forward) {
  const auto* established = std::get_if<Established>(&phase);
  if (established == nullptr) return nullptr;
  const auto& result = established->session.proofs.result(forward);
  return result ? &*result : nullptr;
}

bool is_proven(const TunnelState& state, const TunnelSpec& spec, TimePoint now) {
  if (!is_up(state)) return false;
  for (std::size_t index = 0; index < spec.remote_forward.size(); ++index) {
    const Proof* proof = proof_of(state.phase, index);
    if (proof == nullptr || !is_good(proof->result) || now - proof->at > 2 * spec.verify_interval) return false;
  }
  return true;
}

bool is_wedged(const TunnelState& state, TimePoint now) {
  const auto& paths = state.proof_history.paths;
  for (std::size_t index = 0; index < paths.size(); ++index) {
    const Proof* proof = proof_of(state.phase, index);
    const ProofHistory::Path& path = paths[index];
    if (proof == nullptr || proof->result != ProofResult::path_broken || !path.proven || !path.broken_since) continue;
    if (state.proof_history.renewals > 0 && now - *path.broken_since >= wedged_after) return true;
  }
  return false;
}

}  // namespace holdfast
