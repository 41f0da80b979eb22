#pragma once

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include <optional>
#include <string>
#include <string_view>

#include "ssh/channel.hpp"

namespace holdfast::ssh {

/// What libssh's error text tells of a refused channel: "Channel opening failure: channel 43 error (2) Connection
/// refused". None for any other text.
std::optional<OpenRefusal> refusal_in(std::string_view error);

/// Keeps what the relay says against one channel that we ask for. libssh tells it in the session's error text alone,
/// which the next error replaces: another channel's refusal in the same segment, or that of a keepalive. So it is taken
/// the moment it is written.
class RefusalWatch {
 public:
  /// Before the channel is asked for, and one at a time: its first request has to be made before the next one's watch.
  explicit RefusalWatch(ssh_channel channel);
  ~RefusalWatch();  ///< before the channel's end
  RefusalWatch(const RefusalWatch&) = delete;
  RefusalWatch& operator=(const RefusalWatch&) = delete;

  std::optional<OpenRefusal> refusal() const;

 private:
  ssh_channel channel_;
  std::optional<OpenRefusal> refusal_;
#if LIBSSH_VERSION_INT >= SSH_VERSION_INT(0, 11, 0)
  ssh_channel_callbacks_struct callbacks_{};
#else
  static void read_log(int priority, const char* function, const char* line, void* unused);

  std::string number_;  ///< libssh's own of the channel
#endif
};

}  // namespace holdfast::ssh
