#pragma once

#include <cmath>
#include <cstdint>

#include "holdfast/time.hpp"

namespace holdfast::simulation {

/// Steele, Lea and Flood's SplitMix64: eight bytes of state, for there is one a device, and the same on each machine.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }
  /// From [0, 1).
  double unit() { return static_cast<double>(next() >> 11U) * 0x1.0p-53; }
  bool chance(double probability) { return unit() < probability; }
  std::size_t below(std::size_t count) { return static_cast<std::size_t>(next() % count); }
  Duration between(Duration shortest, Duration longest) {
    return shortest + std::chrono::duration_cast<Duration>((longest - shortest) * unit());
  }
  /// As likely between one and two seconds as between one and two hours.
  Duration of_any_size(Duration shortest, Duration longest) {
    if (shortest <= Duration::zero() || longest <= shortest) return shortest;
    const double ratio = static_cast<double>(longest.count()) / static_cast<double>(shortest.count());
    return std::chrono::duration_cast<Duration>(shortest * std::pow(ratio, unit()));
  }

 private:
  std::uint64_t state_;
};

}  // namespace holdfast::simulation
