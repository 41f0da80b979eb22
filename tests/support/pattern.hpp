#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::test {

/// An endless stream of bytes that depends on its seed only (xorshift64*): both ends make it, none has to store it,
/// and a lost, doubled or moved byte is seen.
class Pattern {
 public:
  explicit Pattern(std::uint64_t seed) : state_(seed * 2 + 1) {}

  std::string next(std::size_t count);
  /// Is `data` what comes next?
  bool matches(std::string_view data) { return next(data.size()) == data; }

 private:
  std::uint64_t state_;
  std::uint64_t word_ = 0;
  std::size_t used_ = sizeof word_;
};

}  // namespace holdfast::test
