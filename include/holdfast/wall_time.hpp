#pragma once

#include <chrono>
#include <string>

namespace holdfast {

/// What people's clocks said. They may be wrong, and be set: nothing is decided by it, and nothing measured.
using WallTime = std::chrono::sys_time<std::chrono::milliseconds>;

/// The time in UTC as RFC 3339 has it: "2026-11-29T19:30:00.250Z".
std::string to_text(WallTime at);

}  // namespace holdfast
