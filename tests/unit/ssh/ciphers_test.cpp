#include "ssh/ciphers.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace holdfast;
using namespace holdfast::ssh;

namespace {

constexpr const char* old_release = "0.10.6";

Libssh tried(const std::string& release, bool verified) {
  return {release, "", verified};
}

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
  CHECK(cipher_warnings({tunnel_with("aes256-ctr"), tunnel_with("")}, unverified).empty());
  CHECK(cipher_warnings({tunnel_with("aes256-gcm@openssh.com"), tunnel_with("")}, tried(old_release, true)).empty());
}
