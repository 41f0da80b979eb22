#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "ssh/gcm_self_test.hpp"

/// Which ciphers are offered, and why (docs/decisions/0009-ciphers-by-processor.md).
namespace holdfast::ssh {

/// Whether libssh verifies the tags of AES-GCM. One that does not lets anybody on the way change what is inside
/// (CVE-2026-59847): there is then no encryption worth the name, but a checksum that nobody looks at.
struct Libssh {
  std::string release;  ///< "0.10.6"
  bool verifies_gcm_tags = false;
};

/// The upstream releases that are known to be fixed (0.11.5, 0.12.2 and what follows each) verify them, and so does the
/// very build of it that was tried when this program was built. Any other is tried now. `build` and `verified_build`
/// are build ids, empty if there is none.
bool verifies_gcm_tags(std::string_view release, std::string_view build, std::string_view verified_build,
                       const std::function<GcmTags()>& try_tags);

/// The library that runs. Where it has to be tried, the first call does.
const Libssh& running_libssh();

struct CipherDefault {
  std::string_view ciphers;  ///< as in ssh_config
  std::string reason;
};

/// Pure. What is offered where the configuration names nothing. AES-GCM comes first where the processor makes it the
/// cheapest, and is not offered at all where its tags are not verified.
CipherDefault default_ciphers(bool processor_has_gcm, const Libssh& libssh);

/// The same, for this processor and the library that runs.
const CipherDefault& default_ciphers();

/// Why a session has the cipher that it has, in a few words. `configured` is the tunnel's list, empty for the default.
std::string cipher_reason(std::string_view cipher, std::string_view configured, const CipherDefault& by_default);

/// Pure. What the user should know of the ciphers of these tunnels, one line each.
std::vector<std::string> cipher_warnings(const std::vector<TunnelSpec>& tunnels, const Libssh& libssh);
/// The same, for the library that runs.
std::vector<std::string> cipher_warnings(const std::vector<TunnelSpec>& tunnels);

}  // namespace holdfast::ssh
