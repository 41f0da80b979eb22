#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "holdfast/happening.hpp"

namespace holdfast::supervisor {

/// The one place where what happens gets its number and its times. The tunnels share it.
class Teller {
 public:
  Told tell(Happening what) {
    const auto wall = std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now());
    return {++last_, Clock::now(), wall, std::move(what)};
  }

 private:
  std::uint64_t last_ = 0;
};

}  // namespace holdfast::supervisor
