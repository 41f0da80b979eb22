#include "support/pattern.hpp"

#include <algorithm>
#include <cstring>

namespace holdfast::test {

std::string Pattern::next(std::size_t count) {
  std::string data(count, '\0');
  for (std::size_t at = 0; at < count;) {
    if (used_ == sizeof word_) {
      state_ ^= state_ >> 12;
      state_ ^= state_ << 25;
      state_ ^= state_ >> 27;
      word_ = state_ * 0x2545F4914F6CDD1DULL;
      used_ = 0;
    }
    const std::size_t piece = std::min(count - at, sizeof word_ - used_);
    std::memcpy(data.data() + at, reinterpret_cast<const char*>(&word_) + used_, piece);
    used_ += piece;
    at += piece;
  }
  return data;
}

}  // namespace holdfast::test
