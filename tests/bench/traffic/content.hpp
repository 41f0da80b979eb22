#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "support/net.hpp"
#include "support/targets.hpp"

namespace holdfast::bench {

/// What goes through the tunnels: an endless stream of incompressible bytes, the same for all. It is made once and its
/// length is odd, so that sending and comparing cost next to nothing and a lost, doubled or moved byte is seen.
class Content {
 public:
  /// What comes next, at most `limit` bytes.
  std::string_view next(std::size_t limit);
  /// Is `data` what comes next?
  bool matches(std::string_view data);

 private:
  std::size_t at_ = 0;
};

inline constexpr std::uint64_t endless = std::numeric_limits<std::uint64_t>::max();

/// The target of every tunnel: greets, reads one line, and does what it says:
///   "send N"  sends N bytes of Content, then the end
///   "take"    reads to the end, and answers how many bytes of Content there were, or "wrong"
///   "echo"    sends back what comes, without delay
test::Conversation target();
inline constexpr std::string_view greeting = "ready\n";

enum class Way { from_device, to_device };
std::string arrow(Way way);  ///< "device→relay"

/// What a visitor does on a connection that was greeted: so many bytes through it, or as many as go until `enough`.
/// Returns how many; throws unless they came, and the right ones.
std::uint64_t transfer(test::Socket& visitor, Way way, std::uint64_t bytes, const std::atomic<bool>& enough);
void transfer(test::Socket& visitor, Way way, std::uint64_t bytes);

}  // namespace holdfast::bench
