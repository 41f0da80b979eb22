#pragma once

#include <cstdint>

namespace holdfast {

/// Counts the connections to one forward.
struct Counters {
  std::uint64_t open = 0;  ///< connections that stand or are being connected
  std::uint64_t accepted = 0;
  std::uint64_t target_refused = 0;
};

}  // namespace holdfast
