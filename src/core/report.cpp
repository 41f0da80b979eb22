#include "holdfast/report.hpp"

#include <algorithm>
#include <cstdlib>

#include "holdfast/words.hpp"

namespace holdfast {
namespace {

constexpr std::size_t conditions_in_summary = 3;

/// Nothing went wrong yet: the tunnel is on its way up since the process started.
bool opening_for_the_first_time(const TunnelReport& tunnel) {
  const PhaseKind kind = tunnel.phase.kind;
  const bool on_its_way =
      kind == PhaseKind::idle || kind == PhaseKind::opening || kind == PhaseKind::requesting_forwards;
  return on_its_way && tunnel.sessions_established == 0 && !tunnel.last_error;
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
  if (!leads_nowhere(forward)) return is_narrower(forward.listens_on) ? Health::warning : Health::ok;
  const bool sure = forward.proof->result == ProofResult::target_down || forward.proof->failures > 1;
  return sure ? Health::critical : Health::warning;
}

/// The way that was walked went over the relay's loopback, whatever it listens on besides.
bool only_loopback_seen(const ForwardReport& forward) {
  const bool unseen = forward.listens_on == ListensOn::unknown || forward.listens_on == ListensOn::loopback_only;
  return forward.beyond_loopback && unseen;
}

std::string proof_words(const ForwardReport& forward) {
  const ProofReport& proof = forward.proof.value();
  std::string text = in_words(to_string(proof.result));
  if (is_good(proof.result)) {
    return text + (only_loopback_seen(forward) ? " on loopback " : " ") + to_text(proof.age) + " ago";
  }
  return is_bad(proof.result) ? text : "can't be verified";
}

/// "a, b", without those of which there is nothing to say.
template <typename Item, typename Say>
std::string listed(const std::vector<Item>& items, Say say) {
  std::string text;
  for (const Item& item : items) {
    const std::string words = say(item);
    if (!words.empty()) text += (text.empty() ? "" : ", ") + words;
  }
  return text;
}

std::string missing_forwards(const TunnelReport& tunnel) {
  const auto is_missing = [](const ForwardReport& forward) { return forward.state != ForwardState::held; };
  const auto missing = std::count_if(tunnel.forwards.begin(), tunnel.forwards.end(), is_missing);
  return std::to_string(missing) + " of " + std::to_string(tunnel.forwards.size()) +
         (tunnel.forwards.size() == 1 ? " forward" : " forwards") + (missing == 1 ? " is" : " are") +
         " missing: " + listed(tunnel.forwards, [&](const ForwardReport& forward) {
           return is_missing(forward) ? forward.listener + " " + condition(forward) : "";
         });
}

/// What of a tunnel is not in force yet.
std::string words(const ChangeReport& change) {
  const std::string text = ", with the former configuration; the changed one ";
  if (change.last_error) return text + "can't come up: " + describe(change.last_error->failure);
  return text + "is not up yet (" + in_words(change.phase) + ")";
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

std::string words(const RecentLosses& losses) {
  const std::string times = (losses.times == most_losses ? "at least " : "") + std::to_string(losses.times) +
                            " times in the last " + std::to_string(losses_window / std::chrono::minutes{1}) + " min";
  switch (losses.of) {
    case LossOf::session:
      return "lost " + times + ", the last time by " + losses.last;
    case LossOf::listener:
      return "a listener was refused " + times + ", the last time by " + losses.last;
    case LossOf::path:
      return "a proof failed " + times + ", the last time by " + losses.last;
    case LossOf::lease:
      return "the lease was lost " + times + ", the last time because " + losses.last;
  }
  std::abort();
}

// ---- a tunnel that is up --------------------------------------------------------------------------------------------

/// What is not as it should be, in words that go on after "up".
struct Remark {
  std::string text;
  Health health;
};

/// Says which better relay is not used and why, and which other one shows a wrong host key.
std::vector<Remark> remarks_on_relays(const TunnelReport& tunnel) {
  std::vector<Remark> remarks;
  for (const RelayReport& relay : tunnel.relays) {
    const bool wrong_key = shows_wrong_key(relay);
    const Health health = wrong_key ? Health::warning : Health::ok;
    const std::string its = relay.relay + (relay.failure ? " (" + describe(relay.failure->failure) + ")" : "");
    if (&relay != &tunnel.relays.front()) {
      if (wrong_key) remarks.push_back({", but not at " + its, health});
    } else if (!relay.current) {
      remarks.push_back({" at " + tunnel.relay + " instead of " + its, health});
    }
  }
  return remarks;
}

std::string if_it_leads_nowhere(const ForwardReport& forward) {
  return leads_nowhere(forward) ? describe(*forward.proof->failure) : "";
}

std::string if_it_is_narrower(const ForwardReport& forward) {
  return is_narrower(forward.listens_on) ? forward.listener + " " + std::string{in_words(forward.listens_on)} : "";
}

std::string if_too_often(const RecentLosses& losses) {
  return too_often(losses) ? words(losses) : "";
}

/// A forward that leads nowhere hides what is less.
std::vector<Remark> remarks_on(const TunnelReport& tunnel) {
  std::vector<Remark> remarks = remarks_on_relays(tunnel);
  const auto add = [&](const std::string& text, Health health) {
    if (!text.empty()) remarks.push_back({", but " + text, health});
  };
  Health worst = Health::ok;
  for (const ForwardReport& forward : tunnel.forwards) worst = std::max(worst, health(forward));
  add(listed(tunnel.forwards, if_it_leads_nowhere), worst);
  if (leads_nowhere(tunnel)) return remarks;
  add(listed(tunnel.forwards, if_it_is_narrower), Health::warning);
  if (const auto timeout = timeout_ahead(tunnel)) add(words(*timeout), Health::warning);
  add(listed(tunnel.losses, if_too_often), Health::warning);
  return remarks;
}

// ---- a tunnel; of the former configuration, where there is a changed one -------------------------------------------

Health health_of_running(const TunnelReport& tunnel) {
  if (tunnel.up) {
    Health worst = Health::ok;
    for (const Remark& remark : remarks_on(tunnel)) worst = std::max(worst, remark.health);
    return worst;
  }
  const bool established = tunnel.phase.kind == PhaseKind::established;
  return established || opening_for_the_first_time(tunnel) ? Health::warning : Health::critical;
}

std::string condition_of_running(const TunnelReport& tunnel) {
  if (tunnel.up) {
    std::string text = "up";
    for (const Remark& remark : remarks_on(tunnel)) text += remark.text;
    return text + (tunnel.unproven && !leads_nowhere(tunnel) ? ", not verified" : "");
  }
  const std::string down =
      tunnel.diagnosis ? "down for " + to_text(tunnel.diagnosis->outage) + ": " + tunnel.diagnosis->sentence + "; "
                       : "";
  if (tunnel.phase.kind == PhaseKind::established) return down + "established, but " + missing_forwards(tunnel);
  std::string text = down + condition(tunnel.phase);
  if (!tunnel.last_error) return text;
  // Only while backing off is the last error surely why: else its age tells.
  const bool is_why = tunnel.phase.kind == PhaseKind::backing_off;
  return text + " (" + (is_why ? "" : "last error " + to_text(tunnel.last_error->age) + " ago: ") +
         describe(tunnel.last_error->failure) + ")";
}

}  // namespace

bool is_ready(const TunnelReport& tunnel) {
  return tunnel.up && !tunnel.unproven;
}

bool shows_wrong_key(const RelayReport& relay) {
  return relay.failure && is_wrong_host_key(relay.failure->failure.cause);
}

Health health(const TunnelReport& tunnel) {
  const bool stuck = tunnel.change && tunnel.change->last_error;
  return std::max(health_of_running(tunnel), stuck ? Health::warning : Health::ok);
}

Health health(const Report& report) {
  if (report.tunnels.empty()) return Health::unknown;
  Health worst = Health::ok;
  for (const TunnelReport& tunnel : report.tunnels) worst = std::max(worst, health(tunnel));
  // All is well until the next start, which will refuse the file as the reload did, or not know what was learnt.
  if (report.last_reload_error || !report.unsaved.empty()) worst = std::max(worst, Health::warning);
  return worst;
}

std::string in_words(const PhaseReport& phase) {
  const std::string kind = in_words(to_string(phase.kind));
  return phase.opening ? kind + ": " + in_words(to_string(*phase.opening)) : kind;
}

std::string condition(const PhaseReport& phase) {
  return in_words(phase) + (phase.next_retry ? ", next try in " + to_text(*phase.next_retry) : "");
}

std::string condition(const ForwardReport& forward) {
  std::string text{to_string(forward.state)};
  if (forward.refusal) text += ": " + std::string{to_string(*forward.refusal)};
  if (!forward.holder.empty()) text += " " + forward.holder;
  if (forward.proof) text += ", " + proof_words(forward);
  const std::string_view where = in_words(forward.listens_on);
  return where.empty() ? text : text + ", " + std::string{where};
}

std::string condition(const TunnelReport& tunnel) {
  return condition_of_running(tunnel) + (tunnel.change ? words(*tunnel.change) : "");
}

std::string summary(const Report& report) {
  if (report.tunnels.empty()) return "no tunnels configured";
  std::string of_the_next_start = report.last_reload_error ? "; the last reload was refused" : "";
  if (!report.unsaved.empty()) of_the_next_start += "; not written to disk: " + report.unsaved.front();
  std::size_t down = 0;
  std::size_t told = 0;
  std::string conditions;
  for (const TunnelReport& tunnel : report.tunnels) {
    if (tunnel.up && remarks_on(tunnel).empty() && !tunnel.change) continue;
    if (!tunnel.up) ++down;
    if (++told <= conditions_in_summary) conditions += "; " + tunnel.name + ": " + condition(tunnel);
  }
  if (told > conditions_in_summary) conditions += "; and " + std::to_string(told - conditions_in_summary) + " more";
  const std::size_t all = report.tunnels.size();
  return std::to_string(all - down) + " of " + std::to_string(all) + (all == 1 ? " tunnel up" : " tunnels up") +
         conditions + of_the_next_start;
}

}  // namespace holdfast
