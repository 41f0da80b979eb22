#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "holdfast/tunnel.hpp"

/// What `run --record` writes: all that step() was given, and what came of it, a line a step.
///
///     holdfast recording 1
///     # a comment, for people
///     tunnel 1 relay
///     | tunnels:                                   its effective configuration, which is YAML
///     |   relay:
///     exact drain_timeout 1500ms                   what YAML has only in whole seconds; none of a daemon's is finer
///     8183.25 1 TimerExpired dice=0.75 -> opening resolve attempt=2 relay=0 due=8213.25 : Dial
///     lost 17                                      steps that the disk was too slow for
///     end stopped                                  why nothing follows; missing where the process was ended
///
/// A step has its time, its tunnel, the event, what was drawn, the state, and the actions. Steps behind a loss can be
/// read and not replayed.
namespace holdfast::record {

// ---- the lines, each with its end ---------------------------------------------------------------------------------

/// `made`: by whom and when, for people.
std::string first_lines(const std::string& made);
/// `spec` with its relays in this device's order of preference.
std::string tunnel_lines(std::size_t number, const TunnelSpec& spec);
std::string step_line(std::size_t tunnel, TimePoint at, const TunnelEvent& event, const std::vector<double>& dice,
                      const Step& step);
std::string lost_line(std::uint64_t steps);
std::string end_line(const std::string& why);

/// What step() made: "Dial; Happened{...}".
std::string to_text(const std::vector<TunnelAction>& actions);

// ---- read back ----------------------------------------------------------------------------------------------------

struct RecordedStep {
  std::size_t line = 0;
  TimePoint at;
  TunnelEvent event;
  std::vector<double> dice;
  std::string state;    ///< to_text()
  std::string actions;  ///< to_text()
};

struct RecordedTunnel {
  std::string name;
  TunnelSpec spec;
  std::vector<RecordedStep> steps;  ///< until the first loss
};

struct Recording {
  std::vector<RecordedTunnel> tunnels;
  std::uint64_t lost = 0;
  std::string end;  ///< why nothing follows; empty if it does not say
};

/// Or "LINE: what is wrong with it; what to do".
tl::expected<Recording, std::string> parse(std::string_view text);

}  // namespace holdfast::record
