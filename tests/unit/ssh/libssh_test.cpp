#include "ssh/libssh.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "ssh/build_id.hpp"
#include "ssh/libssh_build.hpp"

using namespace holdfast;
using namespace holdfast::ssh;

namespace {

constexpr const char* old_release = "0.10.6";

/// How often the library was tried.
struct Tries {
  GcmTags result;
  int count = 0;

  bool verifies(std::string_view release, std::string_view build, std::string_view verified_build) {
    return verifies_gcm_tags(release, build, verified_build, [this] {
      ++count;
      return result;
    });
  }
};

}  // namespace

TEST_CASE("the upstream releases that verify tags are known, and others are tried") {
  for (const char* release : {"0.11.5", "0.11.6", "0.11.12", "0.12.2", "0.12.10", "0.13.0", "1.0.0"}) {
    CAPTURE(release);
    Tries tries{GcmTags::ignored};
    CHECK(tries.verifies(release, "", ""));
    CHECK(tries.count == 0);
  }
  for (const char* release : {"0.9.6", "0.10.6", "0.10.99", "0.11.0", "0.11.4", "0.12.0", "0.12.1", "", "nonsense"}) {
    CAPTURE(release);
    Tries tries{GcmTags::ignored};
    CHECK_FALSE(tries.verifies(release, "", ""));
    CHECK(tries.count == 1);
  }
}

TEST_CASE("what was found at build time holds for that very build of the library, and any other is tried") {
  Tries good{GcmTags::verified};
  CHECK(good.verifies(old_release, "ab12", "ab12"));
  CHECK(good.count == 0);
  CHECK(good.verifies(old_release, "cd34", "ab12"));  // a security update of the same release
  CHECK(good.count == 1);
  for (const GcmTags result : {GcmTags::ignored, GcmTags::unknown}) {
    Tries bad{result};
    CHECK_FALSE(bad.verifies(old_release, "cd34", "ab12"));
    CHECK_FALSE(bad.verifies(old_release, "cd34", ""));
    CHECK_FALSE(bad.verifies(old_release, "", ""));
    CHECK(bad.count == 3);
  }
}

TEST_CASE("the library that runs has a build id, and the try says what was found at build time") {
  CHECK(libssh_build_id().size() >= 16);
  if (libssh_build_id() == libssh_build_verified) {
    CHECK(try_gcm_tags() == GcmTags::verified);
  } else {
    CHECK(try_gcm_tags() != GcmTags::unknown);
  }
}

TEST_CASE(
    "what is wrong with a libssh follows from its release and its tags, and only what an upgrade mends is warned of") {
  using Faults = std::vector<std::string>;
  const Faults both{"gcm_tags_unverified", "endless_write"};
  const struct {
    const char* release;
    bool verifies_gcm_tags;
    Faults faults;
  } rows[] = {
      {"0.9.8", false, both},               // Debian 11
      {"0.10.6", false, both},              // Debian 12 up to 0.10.6-0+deb12u2, and upstream
      {"0.10.6", true, {"endless_write"}},  // from 0.10.6-0+deb12u3 on: there is none without it
      {"0.10.99", true, {"endless_write"}},
      {"0.11.0", false, both},
      {"0.11.4", false, both},
      {"0.11.2", true, {}},  // a distribution's, with the fixes of 0.11.5
      {"0.11.5", true, {}},  // Debian 13
      {"0.12.0", false, both},
      {"0.12.1", false, both},
      {"0.12.1", true, {}},
      {"0.12.2", true, {}},
      {"1.0.0", true, {}},
      {"nonsense", false, both},
  };
  for (const auto& row : rows) {
    CAPTURE(row.release);
    CAPTURE(row.verifies_gcm_tags);
    const LibsshReport found = report(Libssh{row.release, "ab12", row.verifies_gcm_tags});
    CHECK(found.release == row.release);
    CHECK(found.build == "ab12");
    CHECK(found.faults == row.faults);
    CHECK(found.warning.empty() == row.verifies_gcm_tags);
  }
  CHECK(report(Libssh{old_release, "", false}).warning ==
        "libssh 0.10.6 is not known to verify the tags of AES-GCM (CVE-2026-59847), and so most likely lacks other "
        "security fixes too: apt-get update && apt-get install --only-upgrade libssh-4, then systemctl try-restart "
        "holdfast 'holdfast@*'");
}
