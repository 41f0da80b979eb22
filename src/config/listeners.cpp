#include "config/listeners.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "config/forward_syntax.hpp"
#include "holdfast/relays.hpp"

namespace holdfast::config {
namespace {

struct Listener {
  const RemoteForward* forward;
  const TunnelSpec* tunnel;
  const Value* place;
};

}  // namespace

void refuse_colliding_listeners(const std::vector<TunnelEntry>& tunnels) {
  using Port = std::tuple<std::string, std::uint16_t, std::uint16_t>;  // the relay, its SSH port, the listener's
  std::map<Port, std::vector<Listener>> taken;
  for (const auto& [tunnel, places, all_places] : tunnels) {
    for (const RelaySpec& relay : relays_of(tunnel)) {
      // Without a host, which was refused already, a tunnel shares its relay with no other.
      const std::string& host = relay.host_name.empty() ? tunnel.name : relay.host_name;
      for (std::size_t i = 0; i < tunnel.remote_forward.size(); ++i) {
        const RemoteForward& forward = tunnel.remote_forward[i];
        auto& others = taken[{host, relay.port, forward.port}];
        const auto first = std::find_if(others.begin(), others.end(), [&](const Listener& other) {
          // The same relay twice in one list was refused already.
          return other.forward != &forward && listeners_collide(*other.forward, forward);
        });
        if (first == others.end()) {
          others.push_back({&forward, &tunnel, &places[i]});
          continue;
        }
        const std::string owner = first->tunnel == &tunnel ? "this tunnel" : "tunnel " + first->tunnel->name;
        places[i].refuse("listener " + listener_name(forward) + " collides with " + listener_name(*first->forward) +
                         " of " + owner + " in " + first->place->line_seen_from(places[i]));
      }
    }
  }
}

}  // namespace holdfast::config
