#pragma once

#include <cstdint>
#include <string_view>

#include "ssh/errors.hpp"

namespace holdfast::ssh {

/// What came from a relay, or is kept for it.
struct Taken {
  std::uint64_t bytes = 0;      ///< received
  std::uint64_t unsent = 0;     ///< bytes that it provoked and does not read
  std::uint64_t untaken = 0;    ///< packets that came while no messages were taken
  bool window_ignored = false;  ///< it sent more than a window allowed
};

/// Before the banner; OpenSSH's client gives up after 1024 lines. What a relay has to say there is far less, and a
/// captive portal may say it on each try.
inline constexpr std::uint64_t most_before_banner = std::uint64_t{64} * 1024;

/// Why a session with this relay is to end, which takes more than any relay needs; empty: it does not. What comes
/// instead of a banner is no SSH, and not judged here.
std::string_view excess(const Taken& taken, Progress progress);

}  // namespace holdfast::ssh
