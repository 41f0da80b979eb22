#include "simulation/faults.hpp"

#include <algorithm>
#include <cstdlib>

namespace holdfast::simulation {
namespace {

using namespace std::chrono_literals;

struct Row {
  FaultKind kind;
  std::string_view name;
  std::array<double, profiles.size()> a_day;  ///< healthy, lossy, hostile, storm
  Duration shortest, longest;
};

constexpr std::array<Row, fault_kinds> table{{
    {FaultKind::hole, "hole", {0.2, 20, 2, 60}, 1s, 2h},
    {FaultKind::link_down, "link_down", {0.2, 10, 1, 30}, 1s, 2h},
    {FaultKind::slow, "slow", {0.2, 20, 1, 30}, 5s, 30min},
    {FaultKind::flow_forgotten, "flow_forgotten", {0.1, 4, 2, 20}, 0s, 0s},
    {FaultKind::flow_reset, "flow_reset", {0.1, 3, 6, 30}, 0s, 0s},
    {FaultKind::address_changes, "address_changes", {0.2, 3, 1, 15}, 0s, 0s},
    {FaultKind::dns_silent, "dns_silent", {0.1, 2, 1, 5}, 5s, 4h},
    {FaultKind::dns_denies, "dns_denies", {0.05, 0.2, 2, 5}, 5s, 1h},
    {FaultKind::dns_lies, "dns_lies", {0.05, 0.5, 2, 5}, 5s, 1h},
    {FaultKind::relay_refuses, "relay_refuses", {0.1, 0.2, 3, 10}, 1s, 2h},
    {FaultKind::relay_vanishes, "relay_vanishes", {0.05, 0.1, 2, 5}, 10s, 6h},
    {FaultKind::relay_frozen, "relay_frozen", {0.05, 0.1, 4, 10}, 1s, 1h},
    {FaultKind::relay_full, "relay_full", {0.1, 0.1, 3, 10}, 1s, 10min},
    {FaultKind::others_penalised, "others_penalised", {0.05, 0.2, 4, 10}, 15s, 10min},
    {FaultKind::address_hangs, "address_hangs", {0.05, 0.5, 2, 5}, 5s, 2h},
    {FaultKind::key_refused, "key_refused", {0.02, 0.02, 2, 3}, 1min, 6h},
    {FaultKind::host_key_changed, "host_key_changed", {0.01, 0.01, 1, 2}, 1min, 6h},
    {FaultKind::port_answered, "port_answered", {0.02, 0.02, 3, 5}, 10s, 2h},
    {FaultKind::port_silent, "port_silent", {0.02, 0.02, 3, 5}, 10s, 2h},
    {FaultKind::port_of_twin, "port_of_twin", {0.02, 0.02, 2, 4}, 10s, 2h},
    {FaultKind::listening_forbidden, "listening_forbidden", {0.01, 0.01, 2, 3}, 10s, 2h},
    {FaultKind::lease_ends, "lease_ends", {0.1, 0.1, 4, 10}, 0s, 0s},
    {FaultKind::path_broken, "path_broken", {0.02, 0.02, 2, 3}, 1min, 4h},
    {FaultKind::target_down, "target_down", {0.1, 0.1, 1, 5}, 1s, 2h},
    {FaultKind::target_silent, "target_silent", {0.1, 0.1, 1, 5}, 1min, 2h},
    {FaultKind::visitors, "visitors", {4, 4, 4, 20}, 1s, 2h},
    {FaultKind::power_cut, "power_cut", {0.1, 0.5, 0.5, 10}, 5s, 4h},
    {FaultKind::suspend, "suspend", {0.2, 2, 0.5, 10}, 10s, 8h},
    {FaultKind::reload, "reload", {0.2, 0.2, 0.5, 10}, 0s, 0s},
    {FaultKind::reconnect, "reconnect", {0.2, 0.3, 2, 20}, 0s, 0s},
    {FaultKind::stop, "stop", {0.1, 0.1, 0.5, 6}, 1s, 10min},
    {FaultKind::stop_now, "stop_now", {0.02, 0.02, 0.1, 2}, 1s, 10min},
}};

const Row& row(FaultKind kind) {
  const Row& found = table.at(static_cast<std::size_t>(kind));
  if (found.kind != kind) std::abort();
  return found;
}

}  // namespace

std::string_view to_string(FaultKind kind) {
  return row(kind).name;
}

std::string to_text(const Fault& fault) {
  const std::string lasting = fault.lasts > Duration::zero() ? " for " + holdfast::to_text(fault.lasts) : "";
  return "at " + holdfast::to_text(fault.at.time_since_epoch()) + lasting + ": " + std::string{to_string(fault.kind)} +
         " (relay " + std::to_string(fault.relay) + ", forward " + std::to_string(fault.forward) + ")";
}

std::string_view to_string(Profile profile) {
  switch (profile) {
    case Profile::healthy:
      return "healthy";
    case Profile::lossy:
      return "lossy";
    case Profile::hostile:
      return "hostile";
    case Profile::storm:
      return "storm";
  }
  std::abort();
}

std::vector<Fault> draw_faults(Profile profile, Random& random, TimePoint from, Duration span, std::size_t relays,
                               std::size_t forwards) {
  std::vector<Fault> faults;
  for (const Row& kind : table) {
    const double a_day = kind.a_day[static_cast<std::size_t>(profile)];
    const auto gap = [&] { return std::chrono::duration_cast<Duration>(24h / a_day * -std::log(1 - random.unit())); };
    for (TimePoint at = from + gap(); at < from + span; at += gap()) {
      faults.push_back({at, random.of_any_size(kind.shortest, kind.longest), kind.kind,
                        static_cast<std::uint8_t>(random.below(relays)),
                        static_cast<std::uint8_t>(random.below(forwards))});
    }
  }
  std::sort(faults.begin(), faults.end(), [](const Fault& one, const Fault& other) { return one.at < other.at; });
  return faults;
}

}  // namespace holdfast::simulation
