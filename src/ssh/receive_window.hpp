#pragma once

#include <algorithm>
#include <cstddef>

#include "holdfast/time.hpp"

namespace holdfast::ssh {

/// From 0.11 on libssh grants 2 MiB, whatever is read: a FixedWindow.
bool windows_can_be_raised();

/// The window of one channel towards us (RFC 4254, 5.2): what libssh 0.10 grants by itself, and how far it is raised.
/// By itself libssh keeps it between 640,000 and 1,280,000 bytes, which is at most 6.4 MB/s at a round trip of 100 ms.
/// OpenSSH's is 2 MiB. So when half of the window comes within one round trip, the relay was waiting for us, and the
/// window is doubled. It ends at two to four times the product of bandwidth and delay.
///
/// libssh tells nobody what it has granted. The count here follows its rules (channels.c, WINDOWBASE); should it ever
/// be wrong, a grant comes early or late, and libssh's own come anyway.
class ReceiveWindow {
 public:
  static constexpr std::size_t stock = 1'280'000;
  /// The first step: what OpenSSH grants.
  static constexpr std::size_t lowest_raised = std::size_t{2} * 1024 * 1024;

  /// `count` bytes came, and libssh holds `buffered` now.
  void arrived(std::size_t count, std::size_t buffered);
  /// libssh's buffer was read.
  void read();

  /// What the window should grow to, as far as what came since the last call tells; 0: it is large enough.
  std::size_t wanted(TimePoint now, Duration round_trip);
  void set_target(std::size_t target) { target_ = target; }
  std::size_t target() const { return target_; }
  bool is_raised() const { return target_ > stock; }
  /// Nothing was measured since.
  TimePoint last_used() const { return began_; }

  /// A raised window is granted in steps of an eighth, so that the relay always has most of it.
  bool grant_due() const { return is_raised() && left_ + target_ / 8 <= target_; }
  void granted() { left_ = target_; }

 private:
  std::size_t left_ = 64'000;  ///< what the relay may still send; CHANNEL_INITIAL_WINDOW
  std::size_t target_ = stock;
  std::size_t arrived_ = 0;  ///< since `began_`
  TimePoint began_{};
};

/// The window of one channel towards us as libssh 0.11 and later grant it: 2 MiB, whatever is read. Once half of that
/// was taken, all that was taken is granted anew (channels.c, grow_window). Whoever takes more than the half gets the
/// next grant a round trip later, and so half a window a round trip; whoever takes it in exact halves gets a whole one
/// (docs/decisions/0012-fixed-windows-are-taken-by-halves.md).
///
/// libssh tells nobody what it has granted. Should the count here be wrong, the halves are not exact, and that is all.
class FixedWindow {
 public:
  static constexpr std::size_t size = std::size_t{2} * 1024 * 1024;
  static constexpr std::size_t half = size / 2;

  /// How much to take in one piece of what libssh holds.
  std::size_t share(std::size_t held) const { return ungranted_ < half ? std::min(held, half - ungranted_) : held; }
  void taken(std::size_t count);

 private:
  std::size_t ungranted_ = size - 32'000;  ///< what a relay that opens a channel may send at first (messages.c)
};

}  // namespace holdfast::ssh
