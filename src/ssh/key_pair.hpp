#pragma once

#include <optional>
#include <string>
#include <tl/expected.hpp>

#include "holdfast/public_key.hpp"

namespace holdfast::ssh {

/// A new ed25519 key without a passphrase, as the text of its file, which the caller wipes; none if libssh makes none.
/// Not written by libssh, whose ssh_pki_export_privkey_file leaves a file that everybody may read.
std::optional<std::string> make_private_key();

/// The public half of the key in that file, whatever its type. The error names the file and says why there is none: it
/// can't be read, has a passphrase, or libssh can't log in with it.
tl::expected<PublicKey, std::string> public_half(const std::string& private_key_file);

/// "SHA256:..." of a key as known_hosts and authorized_keys have it; empty if it is none.
std::string fingerprint(const PublicKey& key);

}  // namespace holdfast::ssh
