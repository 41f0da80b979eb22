#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/time.hpp"
#include "simulation/random.hpp"

/// What goes wrong, and when: a list that a seed draws, and that is shortened once it has broken a promise.
namespace holdfast::simulation {

enum class FaultKind : std::uint8_t {
  // the network
  hole,             ///< nothing passes, and nobody says so
  link_down,        ///< likewise, and the device's kernel knows
  slow,             ///< round trips of up to a minute
  flow_forgotten,   ///< a NAT forgets the session's connection
  flow_reset,       ///< something between resets it
  address_changes,  ///< of the device: what it had open is dead
  dns_silent,
  dns_denies,
  dns_lies,  ///< its address is a stranger's, a captive portal's
  // a relay
  relay_refuses,     ///< sshd is not running, and its sessions are gone
  relay_vanishes,    ///< the machine is off
  relay_frozen,      ///< its kernel answers, its sshd does not
  relay_full,        ///< MaxStartups
  others_penalised,  ///< PerSourcePenalties, earned by somebody behind the same address
  address_hangs,     ///< its first address: behind TCP nothing passes
  key_refused,
  host_key_changed,
  port_answered,  ///< somebody else's living listener
  port_silent,    ///< somebody else's, and it says nothing
  port_of_twin,   ///< another device's with this one's name, with a lease
  listening_forbidden,
  lease_ends,   ///< its script is killed
  path_broken,  ///< connections to our listener end up elsewhere
  // the device
  target_down,
  target_silent,
  visitors,
  power_cut,
  suspend,
  reload,
  reconnect,
  stop,
  stop_now,
};
inline constexpr std::size_t fault_kinds = static_cast<std::size_t>(FaultKind::stop_now) + 1;

std::string_view to_string(FaultKind kind);

struct Fault {
  TimePoint at;
  Duration lasts{};
  FaultKind kind{};
  std::uint8_t relay = 0;
  std::uint8_t forward = 0;
};
/// "at 1 h 3 min for 12 s: hole".
std::string to_text(const Fault& fault);

/// Until when each kind is in force.
class Conditions {
 public:
  bool on(FaultKind kind, TimePoint now) const { return now < until(kind); }
  TimePoint until(FaultKind kind) const { return until_[static_cast<std::size_t>(kind)]; }
  void begin(FaultKind kind, TimePoint end) {
    TimePoint& until = until_[static_cast<std::size_t>(kind)];
    if (end > until) until = end;
  }
  void clear(FaultKind kind) { until_[static_cast<std::size_t>(kind)] = {}; }

 private:
  std::array<TimePoint, fault_kinds> until_{};
};

enum class Profile { healthy, lossy, hostile, storm };
inline constexpr std::array profiles{Profile::healthy, Profile::lossy, Profile::hostile, Profile::storm};
std::string_view to_string(Profile profile);

/// In the order of time.
std::vector<Fault> draw_faults(Profile profile, Random& random, TimePoint from, Duration span, std::size_t relays,
                               std::size_t forwards);

}  // namespace holdfast::simulation
