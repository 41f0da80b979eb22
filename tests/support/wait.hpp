#pragma once

#include <chrono>
#include <functional>

namespace holdfast::test {

using namespace std::chrono_literals;

/// Asks the condition until it holds. False, with a line on standard error, if it never did within `limit`.
/// The only way for a test to wait: for what it needs, not for a time.
[[nodiscard]] bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds limit = 10s,
                              const char* file = __builtin_FILE(), int line = __builtin_LINE());

/// True if the condition held at each look during `period`. For "nothing happens"; costs the whole period.
[[nodiscard]] bool holds_for(const std::function<bool()>& condition, std::chrono::milliseconds period);

}  // namespace holdfast::test
