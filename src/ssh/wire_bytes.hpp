#pragma once

#include <cstdint>

namespace holdfast::ssh {

/// What the connection of this socket cost so far, both ways, at the IP level (TCP_INFO, from Linux 4.19 on). That is
/// the headers of every segment, repeated ones and bare acknowledgements included, and what they carried. Not what the
/// link adds, nor the options of the handshake. 0 if the kernel does not tell.
std::uint64_t wire_bytes(int socket);

}  // namespace holdfast::ssh
