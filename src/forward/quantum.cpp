#include "forward/quantum.hpp"

#include <algorithm>
#include <chrono>

namespace holdfast::forward {
namespace {

/// Nobody notices so long a wait.
constexpr std::chrono::milliseconds soon{2};

}  // namespace

void Quantum::taken_after(Duration time) {
  if (time <= soon) {
    size_ = std::min(2 * size_, most);
  } else if (time > 2 * soon) {
    size_ = std::max(size_ / 2, least);
  }
}

}  // namespace holdfast::forward
