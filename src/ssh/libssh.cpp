#include "ssh/libssh.hpp"

#include <libssh/libssh.h>

#include <array>
#include <charconv>

#include "ssh/build_id.hpp"
#include "ssh/libssh_build.hpp"

namespace holdfast::ssh {
namespace {

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

/// A peer makes it write so by a maximum packet size that leaves no room for data (CVE-2026-59843; guarded_write.hpp).
/// 0.11.5 and 0.12.2 mend it together with the tags, and so does who takes the one into an older 0.11 or 0.12. Up to
/// 0.10 there is no build without it: Debian's refuses the size 0 and still loops at 10.
bool may_write_without_end(const Libssh& libssh) {
  return !libssh.verifies_gcm_tags || release_of(libssh.release) < Release{0, 11, 0};
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
    const std::string build = libssh_build_id();
    return Libssh{release, build, verifies_gcm_tags(release, build, libssh_build_verified, try_gcm_tags)};
  }();
  return running;
}

std::string identification() {
  return "SSH-2.0-libssh_" + running_libssh().release + "\r\n";
}

LibsshReport report(const Libssh& libssh) {
  LibsshReport report{libssh.release, libssh.build, {}, ""};
  if (!libssh.verifies_gcm_tags) {
    report.faults.emplace_back("gcm_tags_unverified");
    report.warning = "libssh " + libssh.release +
                     " is not known to verify the tags of AES-GCM (CVE-2026-59847), and so most likely lacks other "
                     "security fixes too: apt-get update && apt-get install --only-upgrade libssh-4, then "
                     "systemctl try-restart holdfast 'holdfast@*'";
  }
  if (may_write_without_end(libssh)) report.faults.emplace_back("endless_write");
  return report;
}

}  // namespace holdfast::ssh
