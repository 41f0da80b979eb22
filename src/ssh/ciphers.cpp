#include "ssh/ciphers.hpp"

#include <libssh/libssh.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "ssh/algorithms.hpp"
#include "ssh/build_id.hpp"
#include "ssh/libssh_build.hpp"
#include "ssh/processor.hpp"

namespace holdfast::ssh {
namespace {

constexpr std::string_view gcm_first =
    "aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr";
constexpr std::string_view chacha_first =
    "chacha20-poly1305@openssh.com,aes128-gcm@openssh.com,aes256-gcm@openssh.com,aes256-ctr,aes128-ctr";
constexpr std::string_view no_gcm = "chacha20-poly1305@openssh.com,aes256-ctr,aes128-ctr";

using Release = std::array<int, 3>;

/// "0.11.5"; what can't be read is 0.
Release release_of(std::string_view text) {
  Release release{};
  for (int& number : release) {
    const auto dot = text.find('.');
    const auto digits = text.substr(0, dot);
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (dot == std::string_view::npos) break;
    text.remove_prefix(dot + 1);
  }
  return release;
}

bool is_fixed_upstream(const Release& release) {
  const bool fixed_in_0_11 = release >= Release{0, 11, 5} && release < Release{0, 12, 0};
  return fixed_in_0_11 || release >= Release{0, 12, 2};
}

bool is_gcm(std::string_view cipher) {
  return cipher.find("-gcm@") != std::string_view::npos;
}

std::string unverified(const Libssh& libssh) {
  return "libssh " + libssh.release + " is not known to verify its tags (CVE-2026-59847)";
}

}  // namespace

bool verifies_gcm_tags(std::string_view release, std::string_view build, std::string_view verified_build,
                       const std::function<GcmTags()>& try_tags) {
  if (is_fixed_upstream(release_of(release))) return true;
  if (!build.empty() && build == verified_build) return true;
  return try_tags() == GcmTags::verified;
}

const Libssh& running_libssh() {
  static const Libssh running = [] {
    // The library's crypto and compression stand behind the release: "0.10.6/openssl/zlib".
    const std::string version = ssh_version(0);
    const std::string release = version.substr(0, version.find('/'));
    return Libssh{release, verifies_gcm_tags(release, libssh_build_id(), libssh_build_verified, try_gcm_tags)};
  }();
  return running;
}

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
  const bool by_default =
      std::any_of(tunnels.begin(), tunnels.end(), [](const TunnelSpec& tunnel) { return tunnel.ciphers.empty(); });
  if (by_default) warnings.push_back("AES-GCM is not offered to relays: " + unverified(libssh));
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
