#pragma once

#include <libssh/libssh.h>

#include <cstddef>
#include <optional>
#include <span>

namespace holdfast::ssh {

struct Written {
  int taken = 0;         ///< what ssh_channel_write() returned
  unsigned packets = 0;  ///< of the channel's data, and no others that went out meanwhile
};

/// ssh_channel_write(), for a channel whose peer may have announced a `maximum packet size` (RFC 4254, 5.1) that leaves
/// no room for data: 10 to libssh up to 0.10.6, 0 to 0.11.0 to 0.11.4. Those then send empty packets until 256 MB are
/// buffered. None if it did; the session must then be freed without another word.
/// (docs/decisions/0016-a-write-that-never-ends.md)
std::optional<Written> guarded_write(ssh_channel channel, std::span<const std::byte> data);

}  // namespace holdfast::ssh
