#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace holdfast::forward {

/// Whether a connection is a proof's own, which begins with a mark, and how much of what its target says may pass to
/// the relay before that is known. Knows no I/O; what was never begun lets everything pass.
class Screening {
 public:
  void begin(std::span<const std::byte> mark, std::function<void(bool marked)> decided);
  /// Begun, and nothing came from the relay yet.
  bool is_undecided() const { return mark_.has_value(); }
  /// Whether `data`, the first that came from the relay, begins with the mark.
  bool decide(std::span<const std::byte> data);
  /// Calls `decided`, once.
  void tell(bool marked);

  /// How much of `most` may pass to the relay now. The target is held back if that is nothing.
  std::size_t admit(std::size_t most) {
    if (!limit_) return most;
    held_back_ = *limit_ == 0;
    return std::min(most, *limit_);
  }
  void note_passed(std::size_t size) {
    if (limit_) *limit_ -= size;
  }
  /// From now on everything may pass. True if the target was held back.
  bool lift_limit() {
    limit_.reset();
    return std::exchange(held_back_, false);
  }

 private:
  std::optional<std::vector<std::byte>> mark_;
  std::function<void(bool marked)> decided_;
  std::optional<std::size_t> limit_;
  bool held_back_ = false;
};

}  // namespace holdfast::forward
