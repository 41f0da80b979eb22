#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "holdfast/report.hpp"
#include "ssh/gcm_self_test.hpp"

/// Which libssh runs, and what is known to be wrong with it (docs/decisions/0017-known-faults-of-libssh.md).
namespace holdfast::ssh {

/// Whether libssh verifies the tags of AES-GCM. One that does not lets anybody on the way change what is inside
/// (CVE-2026-59847): there is then no encryption worth the name, but a checksum that nobody looks at.
struct Libssh {
  std::string release;  ///< "0.10.6"
  std::string build;    ///< libssh_build_id(); may be empty
  bool verifies_gcm_tags = false;
};

/// The upstream releases that are known to be fixed (0.11.5, 0.12.2 and what follows each) verify them, and so does the
/// very build of it that was tried when this program was built. Any other is tried now. `build` and `verified_build`
/// are build ids, empty if there is none.
bool verifies_gcm_tags(std::string_view release, std::string_view build, std::string_view verified_build,
                       const std::function<GcmTags()>& try_tags);

/// The library that runs. Where it has to be tried, the first call does.
const Libssh& running_libssh();

/// The line that it sends first, as a client: "SSH-2.0-libssh_0.10.6", with CR LF.
std::string identification();

/// Pure. Its faults, and the warning where an upgrade mends one.
LibsshReport report(const Libssh& libssh);

}  // namespace holdfast::ssh
