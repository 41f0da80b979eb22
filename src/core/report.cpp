#include "holdfast/report.hpp"

#include <algorithm>

namespace holdfast {
namespace {

constexpr std::size_t conditions_in_summary = 3;

/// Nothing went wrong yet: the tunnel is on its way up since the process started.
bool opening_for_the_first_time(const TunnelReport& tunnel) {
  const bool on_its_way = tunnel.state == "idle" || tunnel.state == "opening" || tunnel.state == "requesting_forwards";
  return on_its_way && tunnel.sessions_established == 0 && !tunnel.last_error;
}

std::string words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
}

bool leads_nowhere(const ForwardReport& forward) {
  return forward.proof && is_bad(forward.proof->result) && forward.proof->failure;
}

bool leads_nowhere(const TunnelReport& tunnel) {
  return std::any_of(tunnel.forwards.begin(), tunnel.forwards.end(),
                     [](const ForwardReport& forward) { return leads_nowhere(forward); });
}

/// One proof may fail because the link just had a hole; a target that refuses is down.
Health health(const ForwardReport& forward) {
  if (!leads_nowhere(forward)) return Health::ok;
  const bool sure = forward.proof->result == ProofResult::target_down || forward.proof->failures > 1;
  return sure ? Health::critical : Health::warning;
}

std::string proof_words(const ProofReport& proof) {
  std::string text = words(std::string{to_string(proof.result)});
  if (is_good(proof.result)) return text + " " + to_text(proof.age) + " ago";
  return is_bad(proof.result) ? text : "can't be verified";
}

std::string failed_proofs(const TunnelReport& tunnel) {
  std::string text;
  for (const ForwardReport& forward : tunnel.forwards) {
    if (leads_nowhere(forward)) text += (text.empty() ? "" : ", ") + describe(*forward.proof->failure);
  }
  return text;
}

std::string missing_forwards(const TunnelReport& tunnel) {
  std::size_t missing = 0;
  std::string names;
  for (const ForwardReport& forward : tunnel.forwards) {
    if (forward.state == ForwardState::held) continue;
    ++missing;
    names += (names.empty() ? "" : ", ") + forward.listener + " " + condition(forward);
  }
  return std::to_string(missing) + " of " + std::to_string(tunnel.forwards.size()) +
         (tunnel.forwards.size() == 1 ? " forward" : " forwards") + (missing == 1 ? " is" : " are") +
         " missing: " + names;
}

/// What a tunnel with several relays that is up has to say of the others: which better one it does not use and why, and
/// whether one shows a wrong host key.
std::string elsewhere(const TunnelReport& tunnel) {
  if (tunnel.relays.empty()) return "";
  const auto reason = [](const RelayReport& relay) {
    return relay.failure ? " (" + describe(relay.failure->failure) + ")" : "";
  };
  const RelayReport& preferred = tunnel.relays.front();
  std::string text;
  if (!preferred.current) text = " at " + tunnel.relay + " instead of " + preferred.relay + reason(preferred);
  for (const RelayReport& relay : tunnel.relays) {
    if (&relay != &preferred && shows_wrong_key(relay)) text += ", but not at " + relay.relay + reason(relay);
  }
  return text;
}

/// What ended the sessions before this one, which it has not outlived for sure.
std::optional<Timeout> timeout_ahead(const TunnelReport& tunnel) {
  for (const RelayReport& relay : tunnel.relays) {
    for (const Timeout& timeout : relay.timeouts) {
      const bool ends_sessions = timeout.of != TimeoutOf::idle_lease;
      if (relay.current && ends_sessions && tunnel.in_state < 2 * timeout.after) return timeout;
    }
  }
  return std::nullopt;
}

std::string words(const Timeout& timeout) {
  const bool idle = timeout.of == TimeoutOf::idle_connection;
  return "the sessions before were ended " +
         (idle ? "after " + to_text(timeout.after) + " of silence" : "at the age of " + to_text(timeout.after));
}

}  // namespace

bool is_ready(const TunnelReport& tunnel) {
  return tunnel.up && !tunnel.unproven;
}

bool shows_wrong_key(const RelayReport& relay) {
  if (!relay.failure) return false;
  const Cause cause = relay.failure->failure.cause;
  return cause == Cause::host_key_changed || cause == Cause::host_key_revoked || cause == Cause::host_key_not_pinned;
}

Health health(const TunnelReport& tunnel) {
  if (tunnel.up) {
    const bool wrong_key = std::any_of(tunnel.relays.begin(), tunnel.relays.end(), shows_wrong_key);
    Health worst = wrong_key || timeout_ahead(tunnel) ? Health::warning : Health::ok;
    for (const ForwardReport& forward : tunnel.forwards) worst = std::max(worst, health(forward));
    return worst;
  }
  return tunnel.state == "established" || opening_for_the_first_time(tunnel) ? Health::warning : Health::critical;
}

Health health(const Report& report) {
  if (report.tunnels.empty()) return Health::unknown;
  Health worst = Health::ok;
  for (const TunnelReport& tunnel : report.tunnels) worst = std::max(worst, health(tunnel));
  // All is well until the next start, which will refuse the file as the reload did.
  if (report.last_reload_error) worst = std::max(worst, Health::warning);
  return worst;
}

std::string condition(const ForwardReport& forward) {
  std::string text{to_string(forward.state)};
  if (!forward.refusal.empty()) text += ": " + forward.refusal;
  if (!forward.holder.empty()) text += " " + forward.holder;
  if (forward.proof) text += ", " + proof_words(*forward.proof);
  return text;
}

std::string condition(const TunnelReport& tunnel) {
  if (tunnel.up) {
    std::string text = "up" + elsewhere(tunnel);
    if (leads_nowhere(tunnel)) return text + ", but " + failed_proofs(tunnel);
    if (const auto timeout = timeout_ahead(tunnel)) text += ", but " + words(*timeout);
    return text + (tunnel.unproven ? ", not verified" : "");
  }
  if (tunnel.state == "established") return "established, but " + missing_forwards(tunnel);
  std::string text = words(tunnel.state);
  if (!tunnel.phase.empty()) text += ": " + words(tunnel.phase);
  if (tunnel.next_retry) text += ", next try in " + to_text(*tunnel.next_retry);
  if (!tunnel.last_error) return text;
  // Only while backing off is the last error surely why: else its age tells.
  const bool is_why = tunnel.state == "backing_off";
  return text + " (" + (is_why ? "" : "last error " + to_text(tunnel.last_error->age) + " ago: ") +
         describe(tunnel.last_error->failure) + ")";
}

std::string summary(const Report& report) {
  if (report.tunnels.empty()) return "no tunnels configured";
  const std::string refused = report.last_reload_error ? "; the last reload was refused" : "";
  std::size_t down = 0;
  std::size_t told = 0;
  std::string conditions;
  for (const TunnelReport& tunnel : report.tunnels) {
    if (tunnel.up && !leads_nowhere(tunnel) && elsewhere(tunnel).empty() && !timeout_ahead(tunnel)) continue;
    if (!tunnel.up) ++down;
    if (++told <= conditions_in_summary) conditions += "; " + tunnel.name + ": " + condition(tunnel);
  }
  if (told > conditions_in_summary) conditions += "; and " + std::to_string(told - conditions_in_summary) + " more";
  const std::size_t all = report.tunnels.size();
  return std::to_string(all - down) + " of " + std::to_string(all) + (all == 1 ? " tunnel up" : " tunnels up") +
         conditions + refused;
}

}  // namespace holdfast
