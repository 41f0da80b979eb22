#include "ssh/ciphers.hpp"

#include <doctest/doctest.h>

#include <string>

#include "ssh/build_id.hpp"
#include "ssh/libssh_build.hpp"

using namespace holdfast;
using namespace holdfast::ssh;

namespace {

constexpr const char* old_release = "0.10.6";

Libssh tried(const std::string& release, bool verified) {
  return {release, verified};
}

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

std::string first(std::string_view list) {
  return std::string{list.substr(0, list.find(','))};
}

bool offers_gcm(std::string_view list) {
  return list.find("-gcm@") != std::string_view::npos;
}

TunnelSpec tunnel_with(const std::string& ciphers) {
  TunnelSpec spec;
  spec.name = "relay";
  spec.ciphers = ciphers;
  return spec;
}

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

TEST_CASE("AES-GCM comes first with a processor made for it and a library that verifies its tags") {
  const auto chosen = default_ciphers(true, tried(old_release, true));
  CHECK(chosen.ciphers.starts_with("aes128-gcm@openssh.com,aes256-gcm@openssh.com,chacha20-poly1305@openssh.com,"));
  CHECK(chosen.reason == "the processor has instructions for AES-GCM");
}

TEST_CASE("without such a processor ChaCha20 comes first, and AES-GCM stays for relays that have nothing else") {
  const auto chosen = default_ciphers(false, tried(old_release, true));
  CHECK(first(chosen.ciphers) == "chacha20-poly1305@openssh.com");
  CHECK(offers_gcm(chosen.ciphers));
  CHECK(chosen.reason == "the processor has no instructions for AES-GCM");
}

TEST_CASE("a library that does not verify tags is never asked for AES-GCM, whatever the processor") {
  for (const bool processor_has_gcm : {false, true}) {
    const auto chosen = default_ciphers(processor_has_gcm, tried(old_release, false));
    CHECK(first(chosen.ciphers) == "chacha20-poly1305@openssh.com");
    CHECK_FALSE(offers_gcm(chosen.ciphers));
    CHECK(chosen.reason == "no AES-GCM: libssh 0.10.6 is not known to verify its tags (CVE-2026-59847)");
  }
}

TEST_CASE("the reason for a session's cipher tells whose choice it was") {
  const auto chosen = default_ciphers(true, tried(old_release, true));
  CHECK(cipher_reason("aes128-gcm@openssh.com", "", chosen) == "the processor has instructions for AES-GCM");
  CHECK(cipher_reason("aes256-ctr", "", chosen) ==
        "the relay takes none that is preferred to it; the processor has instructions for AES-GCM");
  CHECK(cipher_reason("aes256-ctr", "aes256-ctr,aes128-ctr", chosen) == "configured");
  CHECK(cipher_reason("aes128-ctr", "aes256-ctr,aes128-ctr", chosen) ==
        "the relay takes none that is preferred to it; configured");
}

TEST_CASE("who names AES-GCM is warned of a library that does not verify its tags") {
  const auto unverified = tried(old_release, false);
  const auto warnings = cipher_warnings({tunnel_with("aes256-ctr,aes256-gcm@openssh.com")}, unverified);
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0] ==
        "tunnels.relay.ciphers: aes256-gcm@openssh.com: libssh 0.10.6 is not known to verify its tags "
        "(CVE-2026-59847): anybody on the way could change what goes through the tunnel; update libssh, or leave "
        "AES-GCM out");
  CHECK(cipher_warnings({tunnel_with("aes256-ctr")}, unverified).empty());
  CHECK(cipher_warnings({tunnel_with("aes256-gcm@openssh.com"), tunnel_with("")}, tried(old_release, true)).empty());
}

TEST_CASE("who leaves the choice to the library is told once that AES-GCM is not offered") {
  const auto warnings = cipher_warnings({tunnel_with(""), tunnel_with("")}, tried(old_release, false));
  REQUIRE(warnings.size() == 1);
  CHECK(warnings[0] ==
        "AES-GCM is not offered to relays: libssh 0.10.6 is not known to verify its tags (CVE-2026-59847)");
}
