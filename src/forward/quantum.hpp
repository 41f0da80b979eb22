#pragma once

#include <cstddef>

#include "holdfast/time.hpp"

namespace holdfast::forward {

/// How much one sender may hand to the session at a time. Large pieces save system calls, but whoever comes next waits
/// until the piece before is gone. So a piece grows only while the session takes it in almost no time: 32 KiB on a
/// mobile link, 256 KiB on a LAN.
class Quantum {
 public:
  static constexpr std::size_t least = std::size_t{32} * 1024;
  static constexpr std::size_t most = std::size_t{256} * 1024;

  std::size_t size() const { return size_; }
  /// The session took that long for the last piece.
  void taken_after(Duration time);

 private:
  std::size_t size_ = least;
};

}  // namespace holdfast::forward
