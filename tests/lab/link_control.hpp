#pragma once

#include <string>
#include <string_view>

#include "lab/link_model.hpp"

namespace holdfast::lab {

/// Both directions, seen from the device.
struct Link {
  explicit Link(std::uint64_t seed) : up(seed), down(seed + 1) {}
  LinkModel up;
  LinkModel down;
};

/// Carries out one line of the control socket and returns the answer, without its line end:
///   set up|down|both KEY=VALUE...   keys: delay_ms jitter_ms loss rate queue order blackhole    -> "ok"
///   flush                           forget what is under way                                     -> "ok"
///   stats                           -> "up offered=PACKETS/BYTES delivered= lost= dropped= swallowed= down
///   offered=..."
/// Anything else, or a bad value: "error: ..." and nothing is changed.
std::string control(Link& link, std::string_view line);

/// The line that sets all of `settings` for "up", "down" or "both".
std::string set_line(std::string_view direction, const LinkSettings& settings);

struct LinkStats {
  LinkCounters up;
  LinkCounters down;
};
/// Reads the answer to `stats`; throws std::runtime_error if it is not one.
LinkStats parse_stats(const std::string& answer);

}  // namespace holdfast::lab
