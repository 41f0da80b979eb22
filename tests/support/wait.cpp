#include "support/wait.hpp"

#include <poll.h>

#include <algorithm>
#include <cstdio>

namespace holdfast::test {
namespace {

using Clock = std::chrono::steady_clock;

/// Calls `done` with growing pauses (1 ms to 20 ms) until it says true or the time is up.
bool poll_until(const std::function<bool()>& done, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  for (int pause = 1;; pause = std::min(2 * pause, 20)) {
    if (done()) {
      return true;
    }
    if (Clock::now() >= deadline) {
      return false;
    }
    ::poll(nullptr, 0, pause);
  }
}

}  // namespace

bool wait_until(const std::function<bool()>& condition, std::chrono::milliseconds limit, const char* file, int line) {
  if (poll_until(condition, limit)) {
    return true;
  }
  std::fprintf(stderr, "%s:%d: waited %lld ms in vain\n", file, line, static_cast<long long>(limit.count()));
  return false;
}

bool holds_for(const std::function<bool()>& condition, std::chrono::milliseconds period) {
  return !poll_until([&] { return !condition(); }, period);
}

}  // namespace holdfast::test
