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

}  // namespace

Health health(const TunnelReport& tunnel) {
  if (tunnel.up) return Health::ok;
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
  return text;
}

std::string condition(const TunnelReport& tunnel) {
  if (tunnel.up) return "up";
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
  std::string conditions;
  for (const TunnelReport& tunnel : report.tunnels) {
    if (tunnel.up) continue;
    if (++down <= conditions_in_summary) conditions += "; " + tunnel.name + ": " + condition(tunnel);
  }
  if (down > conditions_in_summary) conditions += "; and " + std::to_string(down - conditions_in_summary) + " more";
  const std::size_t all = report.tunnels.size();
  return std::to_string(all - down) + " of " + std::to_string(all) + (all == 1 ? " tunnel up" : " tunnels up") +
         conditions + refused;
}

}  // namespace holdfast
