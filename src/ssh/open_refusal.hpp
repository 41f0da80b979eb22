#pragma once

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include <optional>
#include <string>
#include <string_view>

#include "ssh/channel.hpp"
#include "ssh/log_reader.hpp"

namespace holdfast::ssh {

/// What libssh's error text tells of a refused channel: "Channel opening failure: channel 43 error (2) Connection
/// refused". None for any other text.
std::optional<OpenRefusal> refusal_in(std::string_view error);

/// Keeps what the relay says against one channel that we ask for. libssh tells it in the session's error text alone.
/// The next error replaces that: another channel's refusal in the same segment, or that of a keepalive. So it is taken
/// the moment it is written. To be made before the channel is asked for, one at a time: its first request has to be
/// made before the next one's watch. It ends before the channel does.
#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 11, 0)
class RefusalWatch {
 public:
  explicit RefusalWatch(ssh_channel channel);
  ~RefusalWatch();
  RefusalWatch(const RefusalWatch&) = delete;
  RefusalWatch& operator=(const RefusalWatch&) = delete;

  std::optional<OpenRefusal> refusal() const;

 private:
  ssh_channel channel_;
  std::optional<OpenRefusal> refusal_;
  ssh_channel_callbacks_struct callbacks_{};
};
#else
class RefusalWatch final : LogReader {
 public:
  explicit RefusalWatch(ssh_channel channel);

  std::optional<OpenRefusal> refusal() const;

 private:
  void read(const char* line) override;

  ssh_channel channel_;
  std::optional<OpenRefusal> refusal_;
  std::string number_;  ///< libssh's own of the channel
};
#endif

}  // namespace holdfast::ssh
