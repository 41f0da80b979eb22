#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "forward/target.hpp"
#include "ssh/channel.hpp"

namespace holdfast::forward {

/// From a connection's channel to its local socket. What the kernel does not take waits here, and meanwhile everything
/// else stays in the channel.
class Downstream {
 public:
  enum class Progress {
    done,     ///< the kernel took all
    blocked,  ///< it takes no more before the socket is writable
    broken,   ///< the socket has failed
  };

  explicit Downstream(Socket& socket) : socket_(socket) {}

  /// For on_data(), which may not call the channel. None: `data` has to stay there, behind what waits already.
  std::optional<Progress> send(std::span<const std::byte> data);
  /// Sends what waits, then what stayed in the channel, until the kernel takes no more.
  Progress flush(ssh::Channel& channel);

  /// Nothing waits, and nothing stayed in the channel.
  bool is_flushed() const { return pending_.empty() && !left_behind_; }
  /// How much waits here.
  std::size_t held() const { return pending_.size() - pending_sent_; }
  /// What the kernel took and the other end has not; 0 also if that can't be told.
  std::size_t unsent() const;
  /// Grows with what the local end has acknowledged (TCP) or read (Unix).
  std::size_t delivered() const { return sent_ - unsent(); }

 private:
  /// How much of `data` the kernel took; none when the socket is broken.
  std::optional<std::size_t> send_some(std::span<const std::byte> data);

  Socket& socket_;
  std::vector<std::byte> pending_;
  std::size_t pending_sent_ = 0;
  std::size_t sent_ = 0;      ///< all that the kernel took
  bool left_behind_ = false;  ///< send() declined: the channel holds more
  bool taking_ = false;       ///< inside take_buffered(), where libssh may call on_data()
};

}  // namespace holdfast::forward
