#pragma once

#include <libssh/libssh.h>

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "holdfast/time.hpp"
#include "ssh/channel.hpp"
#include "ssh/receive_window.hpp"

namespace holdfast::ssh {

struct Link;

/// What comes on one channel, and how much may. The observer is offered it inside of libssh's callbacks. What it leaves
/// stays in libssh, but for what a grant brought, and keeps the relay's window closed. `link` outlives this; between
/// forget() and its end nothing but lower_window() is called.
class ChannelInput {
 public:
  ChannelInput(Link& link, ssh_channel channel);

  /// `data` is all that libssh holds: the observer, if there is one, is offered `share` of it. How much it took.
  std::size_t offer(ChannelObserver* observer, std::span<const std::byte> data, std::size_t share);
  /// How much of what libssh holds is taken in one piece.
  std::size_t share_of(std::size_t length) const { return fixed_window_ ? fixed_window_->share(length) : length; }
  /// That much waits in libssh, from before there was anybody to offer it to.
  void note_waiting(std::size_t held);
  /// That much was taken out of libssh, by whomever: it counts for libssh's next grant.
  void note_taken(std::size_t count);
  /// Those of the second stream that wait in libssh.
  void drop_errors();

  /// All that the observer left, in one piece.
  std::vector<std::byte> take_left();
  /// Left by the observer.
  std::size_t left() const { return left_; }
  /// libssh has the channel no more.
  void forget();

  /// After something came, outside of callbacks: raises the window if it holds the relay up, and grants what is due.
  void tune_window(TimePoint now);
  void give_back_window(TimePoint now);
  void lower_window();

 private:
  void came(std::size_t count, std::size_t held);
  void raise_window(std::size_t wanted, TimePoint now);
  void grant_window();

  Link& link_;
  ssh_channel channel_;
  ReceiveWindow window_;
  std::optional<FixedWindow> fixed_window_;  ///< if libssh's can't be raised
  std::size_t largest_window_ = 0;           ///< ever raised to
  std::vector<std::byte> kept_;              ///< left by the observer, and not in libssh any more
  std::size_t left_ = 0;                     ///< by the observer: `kept_` and what libssh holds
  bool stalled_ = false;                     ///< the observer left something: it gets nothing more until it took that
};

}  // namespace holdfast::ssh
