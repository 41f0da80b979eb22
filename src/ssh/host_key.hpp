#pragma once

#include <optional>
#include <string>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "ssh/handles.hpp"

namespace holdfast::ssh {

/// The value for host_key_algorithms: what the user wants, with the types in front that are already known for the
/// relay, so that a relay with several keys shows the one that can be checked.
std::string host_key_algorithms(const TunnelSpec& spec);

struct HostKeyCheck {
  std::optional<Failure> failure;
  std::string stored;  ///< "ssh-ed25519 SHA256:..." of a key that was unknown and is remembered now; else empty
};

/// Checks the key of a finished key exchange against host_key_fingerprint or the known_hosts file, and with accept-new
/// stores an unknown one. Reads and writes the local disk.
HostKeyCheck verify_host_key(ssh_session session, const TunnelSpec& spec);

}  // namespace holdfast::ssh
