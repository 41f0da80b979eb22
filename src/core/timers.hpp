#pragma once

#include <optional>

#include "holdfast/time.hpp"
#include "holdfast/tunnel.hpp"

namespace holdfast {

/// Everything that a tunnel waits for, in the order in which what is due at the same time is seen to.
enum class Timer {
  phase,      ///< Opening: its phase takes too long
  retry,      ///< BackingOff: the next attempt
  teardown,   ///< Closing: the polite end takes too long
  lease,      ///< a heartbeat, its script's answer, or the next try to open it; of Draining too
  drain,      ///< Draining: the connections take too long
  sign,       ///< a packet, after the network changed
  listeners,  ///< an answer, or the next round of asking
  silence,    ///< a probe, or the end
  proofs,
  fail_back,
};

/// None if the tunnel does not wait for it now.
std::optional<TimePoint> due(const TunnelState& state, Timer timer);

}  // namespace holdfast
