#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace holdfast::test {

/// An endless stream of bytes that depends on its seed only (xorshift64*): both ends make it, none has to store it,
/// and a lost, doubled or moved byte is seen where it happens.
class Pattern {
 public:
  explicit Pattern(std::uint64_t seed) : state_(seed * 2 + 1) {}

  std::string next(std::size_t count) {
    std::string data(count, '\0');
    for (std::size_t at = 0; at < count;) {
      if (used_ == sizeof word_) {
        advance();
      }
      const std::size_t piece = std::min(count - at, sizeof word_ - used_);
      std::memcpy(data.data() + at, reinterpret_cast<const char*>(&word_) + used_, piece);
      used_ += piece;
      at += piece;
    }
    return data;
  }

  /// Is `data` what comes next?
  bool matches(std::string_view data) { return next(data.size()) == data; }

 private:
  void advance() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    word_ = state_ * 0x2545F4914F6CDD1DULL;
    used_ = 0;
  }

  std::uint64_t state_;
  std::uint64_t word_ = 0;
  std::size_t used_ = sizeof word_;
};

}  // namespace holdfast::test
