#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"
#include "ssh/libssh.hpp"

/// Which ciphers are offered, and why (docs/decisions/0009-ciphers-by-processor.md).
namespace holdfast::ssh {

struct CipherDefault {
  std::string_view ciphers;  ///< as in ssh_config
  std::string reason;
};

/// Pure. What is offered where the configuration names nothing. AES-GCM comes first where the processor makes it the
/// cheapest, and is not offered at all where its tags are not verified.
CipherDefault default_ciphers(bool processor_has_gcm, const Libssh& libssh);

/// default_ciphers() for this processor and the library that runs.
const CipherDefault& default_ciphers();

/// Why a session has the cipher that it has, in a few words. `configured` is the tunnel's list, empty for the default.
std::string cipher_reason(std::string_view cipher, std::string_view configured, const CipherDefault& by_default);

/// Pure. What the user should know of the ciphers of these tunnels, one line each.
std::vector<std::string> cipher_warnings(const std::vector<TunnelSpec>& tunnels, const Libssh& libssh);
/// cipher_warnings() for the library that runs.
std::vector<std::string> cipher_warnings(const std::vector<TunnelSpec>& tunnels);

}  // namespace holdfast::ssh
