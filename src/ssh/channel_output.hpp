#pragma once

#include <libssh/libssh.h>

#include <cstddef>
#include <span>
#include <vector>

namespace holdfast::ssh {

struct Link;

/// What one channel sends. Nothing is written while the session has output pending, for libssh buffers without a bound.
/// While the relay exchanges keys libssh takes nothing, and does not tell beforehand: write() keeps what it does not
/// take although there was room(). `link` outlives this; between forget() and its end nothing else is called.
class ChannelOutput {
 public:
  ChannelOutput(Link& link, ssh_channel channel) : link_(link), channel_(channel) {}

  /// Bytes that write() takes now.
  std::size_t room() const;
  /// The peer's window is closed, or what was written before is not out yet.
  bool is_held_up() const;
  /// All of `data`, which is no more than room(). False if some of it was kept.
  bool write(std::span<const std::byte> data);
  /// EOF follows what was written.
  void end();
  bool has_ended() const { return end_wanted_; }
  /// What write() and end() kept, as soon as it can go. True if nothing is left.
  bool flush();
  bool is_flushed() const { return unsent_.empty(); }
  /// libssh has the channel no more.
  void forget() {
    channel_ = nullptr;
    unsent_.clear();
  }

 private:
  std::size_t pass_on(std::span<const std::byte> data);
  std::size_t put(std::span<const std::byte> data);

  Link& link_;
  ssh_channel channel_;
  std::vector<std::byte> unsent_;
  bool packets_known_ = false;  ///< that they are not too small
  bool end_wanted_ = false;
};

}  // namespace holdfast::ssh
