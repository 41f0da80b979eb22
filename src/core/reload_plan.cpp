#include "holdfast/reload_plan.hpp"

#include <algorithm>

namespace holdfast {
namespace {

const TunnelSpec* find(const Config& config, const std::string& name) {
  const auto found = std::find_if(config.tunnels.begin(), config.tunnels.end(),
                                  [&](const TunnelSpec& tunnel) { return tunnel.name == name; });
  return found == config.tunnels.end() ? nullptr : &*found;
}

}  // namespace

ReloadPlan plan_reload(const Config& running, const Config& next) {
  ReloadPlan plan;
  for (const TunnelSpec& tunnel : next.tunnels) {
    const TunnelSpec* before = find(running, tunnel.name);
    if (before == nullptr) {
      plan.added.push_back(tunnel.name);
    } else if (*before != tunnel) {
      plan.changed.push_back(tunnel.name);
    }
  }
  for (const TunnelSpec& tunnel : running.tunnels) {
    if (find(next, tunnel.name) == nullptr) plan.removed.push_back(tunnel.name);
  }
  if (running.status_socket != next.status_socket) plan.needs_restart.emplace_back("status_socket");
  return plan;
}

}  // namespace holdfast
