#include "holdfast/reload_plan.hpp"

namespace holdfast {
namespace {

/// What take_settings() leaves as it was. The names of all members stand here so that a new one does not compile until
/// somebody has compared it below.
std::vector<std::string> left_for_a_restart(Config running, const Config& next) {
  take_settings(running, next);
  const auto& [tunnels, status_socket, watchdog] = running;
  std::vector<std::string> keys;
  if (status_socket != next.status_socket) keys.emplace_back("status_socket");
  if (watchdog != next.watchdog) keys.emplace_back("watchdog");
  return keys;
}

}  // namespace

void take_settings(Config& running, const Config& next) {
  running.watchdog = next.watchdog;
}

ReloadPlan plan_reload(const Config& running, const Config& next) {
  ReloadPlan plan;
  for (const TunnelSpec& tunnel : next.tunnels) {
    const TunnelSpec* before = find_tunnel(running, tunnel.name);
    if (before == nullptr) {
      plan.added.push_back(tunnel.name);
    } else if (*before != tunnel) {
      plan.changed.push_back(tunnel.name);
    }
  }
  for (const TunnelSpec& tunnel : running.tunnels) {
    if (find_tunnel(next, tunnel.name) == nullptr) plan.removed.push_back(tunnel.name);
  }
  plan.needs_restart = left_for_a_restart(running, next);
  return plan;
}

}  // namespace holdfast
