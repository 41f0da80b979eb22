#pragma once

#include <chrono>

namespace holdfast {

/// The only clock of the program's decisions: monotonic, so that a wall clock set back a year changes nothing.
/// The core never reads it; `now` comes in as an argument.
using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

}  // namespace holdfast
