#include "ssh/ciphers.hpp"

#include "ssh/algorithms.hpp"
#include "ssh/processor.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::string_view gcm_first =
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr";
constexpr std::string_view chacha_first =
    "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes256-ctr,aes128-ctr";
constexpr std::string_view no_gcm = "chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr";

bool is_gcm(std::string_view cipher) {
  return cipher.find("-gcm@") != std::string_view::npos;
}

std::string unverified(const Libssh& libssh) {
  return "libssh " + libssh.release + " is not known to verify its tags (CVE-2026-59847)";
}

}  // namespace

CipherDefault default_ciphers(bool processor_has_gcm, const Libssh& libssh) {
  if (!libssh.verifies_gcm_tags) return {no_gcm, "no AES-GCM: " + unverified(libssh)};
  if (!processor_has_gcm) return {chacha_first, "the processor has no instructions for AES-GCM"};
  return {gcm_first, "the processor has instructions for AES-GCM"};
}

const CipherDefault& default_ciphers() {
  static const CipherDefault chosen = default_ciphers(processor_has_gcm(), running_libssh());
  return chosen;
}

std::string cipher_reason(std::string_view cipher, std::string_view configured, const CipherDefault& by_default) {
  const auto offered = resolve_algorithms(configured, by_default.ciphers);
  std::string why = configured.empty() ? by_default.reason : "configured";
  if (offered.empty() || offered.front() == cipher) return why;
  return "the relay takes none that is preferred to it; " + why;
}

std::vector<std::string> cipher_warnings(const std::vector<TunnelSpec>& tunnels, const Libssh& libssh) {
  std::vector<std::string> warnings;
  if (libssh.verifies_gcm_tags) return warnings;
  for (const TunnelSpec& tunnel : tunnels) {
    for (const std::string& cipher : resolve_algorithms(tunnel.ciphers, no_gcm)) {
      if (!is_gcm(cipher)) continue;
      warnings.push_back("tunnels." + tunnel.name + ".ciphers: " + cipher + ": " + unverified(libssh) +
                         ": anybody on the way could change what goes through the tunnel; update libssh, or leave "
                         "AES-GCM out");
    }
  }
  return warnings;
}

std::vector<std::string> cipher_warnings(const std::vector<TunnelSpec>& tunnels) {
  return cipher_warnings(tunnels, running_libssh());
}

}  // namespace holdfast::ssh
