#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace holdfast {

/// The only clock of the program's decisions: monotonic, so that a wall clock set back a year changes nothing.
/// The core never reads it; `now` comes in as an argument.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

/// The earlier one; none if neither is to come.
std::optional<TimePoint> earlier(std::optional<TimePoint> one, std::optional<TimePoint> other);

/// For people: "0.4 s", "12 s", "3 min 5 s", "2 h 7 min", "3 d 4 h".
std::string to_text(Duration duration);

}  // namespace holdfast
