#pragma once

#include <optional>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "ssh/handles.hpp"
#include "ssh/known_hosts.hpp"

namespace holdfast::ssh {

/// A known_hosts file's text, or errno. Missing is not an error: an empty text. Reads the local disk.
tl::expected<std::string, int> read_known_hosts(const std::string& path);

/// The value for host_key_algorithms: what the user wants, with the types in front that are already known for the
/// relay, so that a relay with several keys shows the one that can be checked.
std::string host_key_algorithms(const TunnelSpec& spec, const std::string& known_hosts);

/// What the relay showed in the key exchange; none if libssh gives none.
std::optional<PublicKey> server_key(ssh_session session);

struct HostKeyCheck {
  std::optional<Failure> failure;
  std::string met;      ///< "ssh-ed25519 SHA256:..." of a key that was unknown and is accepted; else empty
  std::string line;     ///< that one's for the known_hosts file
  std::string shown{};  ///< "ssh-ed25519 SHA256:...": what the relay showed
};

/// Checks the key of a finished key exchange against host_key_fingerprint or the known_hosts file, of which this is the
/// text, or the errno that it could not be read for.
HostKeyCheck verify_host_key(ssh_session session, const TunnelSpec& spec,
                             const tl::expected<std::string, int>& known_hosts);

struct LearntKey {
  std::string name;  ///< "ssh-ed25519 SHA256:..."
  std::string line;  ///< for known_hosts, where it is marked as learnt
};

/// Those of the relay's keys that are told, new in known_hosts, not revoked and of a type that host_key_algorithms
/// allows. None unless the spec learns_host_keys() and this session's own key stands in known_hosts. A relay that goes
/// on telling new ones is stopped at 16 for its name.
std::vector<LearntKey> learn_host_keys(ssh_session session, const TunnelSpec& spec, const std::string& known_hosts,
                                       const std::vector<PublicKey>& told);

}  // namespace holdfast::ssh
