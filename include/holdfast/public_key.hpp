#pragma once

#include <string>

namespace holdfast {

/// The public key of a host or of a device.
struct PublicKey {
  std::string type;    ///< "ssh-ed25519"
  std::string base64;  ///< the blob, as it stands in known_hosts and authorized_keys

  friend bool operator==(const PublicKey&, const PublicKey&) = default;
};

/// What a relay shows in a key exchange.
struct ShownHostKey {
  std::string type;         ///< "ssh-ed25519"
  std::string fingerprint;  ///< "SHA256:..."
  std::string line;         ///< for known_hosts; empty if it holds the key already, or the tunnel pins it
  std::string known_line;   ///< the same, and never empty
};

}  // namespace holdfast
