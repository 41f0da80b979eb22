#pragma once

#include <libssh/libssh.h>

#include <string>

namespace holdfast::ssh {

/// "SHA256:..." as `ssh-keygen -l` and sshd's log print it, of the public half; empty if libssh gives none.
std::string fingerprint(ssh_key key);
/// "ssh-ed25519 SHA256:..."
std::string key_name(ssh_key key);

}  // namespace holdfast::ssh
