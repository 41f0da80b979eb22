#pragma once

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "ssh/handles.hpp"

namespace holdfast::ssh {

/// A private key to try, bare or with a certificate.
struct Identity {
  std::string name;  ///< the file it came from
  KeyHandle key;
};

struct Identities {
  std::vector<Identity> usable;       ///< in the order to try: a key's certificates before the key itself
  std::vector<std::string> problems;  ///< one for each file that is not usable
};

/// Reads identity_file and certificate_file, each identity's "-cert.pub" too, as ssh does. Never asks for a passphrase.
Identities load_identities(const TunnelSpec& spec);

/// The public half, in base64, of the first identity_file that can be used.
std::optional<std::string> login_key(const TunnelSpec& spec);

/// True if the certificate (a base64 blob) certifies this public key (a base64 blob): both hold the same key fields.
bool certifies(const std::string& certificate, const std::string& public_key);

}  // namespace holdfast::ssh
