#include "ssh/local_faults.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>

#include "support/keys.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::test;
using std::chrono::sys_seconds;

namespace {

constexpr sys_seconds now = std::chrono::sys_days{std::chrono::year{2026} / 6 / 1};

struct Device {
  Device() {
    spec.name = "relay";
    spec.host_name = "relay.example";
    spec.identity_file = {client_key()};
    spec.user_known_hosts_file = known_hosts;
  }

  /// "identity_file[1]: /k needs ...", or "... (may heal)": a line a fault.
  std::string faults() const {
    std::string lines;
    for (const auto& fault : ssh::local_faults(spec, now, [](const std::string&) { return false; })) {
      lines += fault.key + "[" + std::to_string(fault.item) + "]: " + fault.message +
               (fault.hopeless ? "" : " (may heal)") + "\n";
    }
    return lines;
  }

  std::string make_key(const std::string& name, std::vector<std::string> how = {"-t", "ed25519"}) const {
    Command keygen{{"ssh-keygen", "-q", "-N", "", "-f", dir / name}};
    keygen.argv.insert(keygen.argv.end(), how.begin(), how.end());
    run_checked(keygen);
    return dir / name;
  }

  /// The certificate's path; it lies beside the key unless moved.
  std::string sign(const std::string& key, std::vector<std::string> how, const std::string& to = "") const {
    Command keygen{{"ssh-keygen", "-q", "-s", ca_key(), "-I", "test", "-n", "tunnel"}};
    keygen.argv.insert(keygen.argv.end(), how.begin(), how.end());
    keygen.argv.push_back(key + ".pub");
    run_checked(keygen);
    if (to.empty()) return key + "-cert.pub";
    std::filesystem::rename(key + "-cert.pub", dir / to);
    return dir / to;
  }

  void knows(const std::string& text) const { write_file(known_hosts, text); }

  TempDir dir;
  std::string known_hosts = dir / "known_hosts";
  TunnelSpec spec;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a device whose files are as they should be has no fault") {
  Device device;
  CHECK(device.faults() == "");
  device.spec.identity_file = {client_key(), client_key(KeyType::ecdsa), client_key(KeyType::rsa)};
  device.spec.strict_host_key_checking = StrictHostKeyChecking::yes;
  device.knows("relay.example " + public_key(host_key(KeyType::rsa)) + "\n");
  CHECK(device.faults() == "");
}

TEST_CASE("a private key that no session can use is named before there is a session") {
  Device device;
  const std::string key = device.dir / "key";
  SUBCASE("with a passphrase") {
    device.spec.identity_file = {client_key(), encrypted_key()};
    const std::string said =
        "identity_file[1]: " + encrypted_key() + " needs a passphrase: use an agent or an unencrypted key";
    CHECK(device.faults() == said + "\n");
    // The agent may hold it, as with ssh; that it is not there now heals.
    device.spec.identity_agent = "/nonexistent/agent";
    CHECK(device.faults() ==
          said + " (may heal)\nidentity_agent[0]: /nonexistent/agent: No such file or directory (may heal)\n");
  }
  device.spec.identity_file = {key};
  SUBCASE("missing") {
    CHECK(device.faults() == "identity_file[0]: " + key + ": No such file or directory\n");
  }
  SUBCASE("cut off") {
    const std::string whole = read_file(client_key());
    write_file(key, whole.substr(0, whole.size() / 2));
    CHECK(device.faults() == "identity_file[0]: " + key + ": no private key that libssh can read\n");
  }
  SUBCASE("empty, as after a power cut") {
    write_file(key, "");
    CHECK(device.faults() == "identity_file[0]: " + key + ": no private key that libssh can read\n");
  }
  SUBCASE("a public one") {
    write_file(key, public_key(client_key()));
    CHECK(device.faults() == "identity_file[0]: " + key + ": no private key that libssh can read\n");
  }
  SUBCASE("out of sight") {
    CHECK(ssh::local_faults(device.spec, now, [](const std::string&) { return true; }).empty());
  }
}

TEST_CASE("a certificate that lets nobody in is named") {
  Device device;
  const std::string key = device.make_key("key");
  device.spec.identity_file = {key};
  SUBCASE("of another key") {
    device.spec.certificate_file = {device.sign(device.make_key("other"), {})};
    CHECK(device.faults() == "certificate_file[0]: " + device.spec.certificate_file[0] +
                                 " certifies none of the keys of identity_file; name the certificate of one of them\n");
  }
  SUBCASE("expired") {
    device.spec.certificate_file = {device.sign(key, {"-V", "20200101Z:20260101Z"}, "expired")};
    CHECK(device.faults() == "certificate_file[0]: " + device.spec.certificate_file[0] +
                                 " expired at 2026-01-01 00:00 UTC; have the key signed anew\n");
  }
  SUBCASE("not yet valid, by a clock that may be wrong") {
    device.spec.certificate_file = {device.sign(key, {"-V", "20270101Z:20280101Z"}, "early")};
    CHECK(device.faults() ==
          "certificate_file[0]: " + device.spec.certificate_file[0] +
              " is valid only from 2027-01-01 00:00 UTC on: is this device's clock right? (may heal)\n");
  }
  SUBCASE("a host's") {
    device.spec.certificate_file = {device.sign(key, {"-h"}, "host")};
    CHECK(has(device.faults(), " is a host's certificate, which lets nobody in"));
  }
  SUBCASE("no certificate at all") {
    device.spec.certificate_file = {key + ".pub"};
    CHECK(device.faults() == "certificate_file[0]: " + key + ".pub: no certificate that libssh can read\n");
  }
  SUBCASE("good, for ever and for a time") {
    device.spec.certificate_file = {device.sign(key, {}, "for_ever"),
                                    device.sign(key, {"-V", "20260101Z:20270101Z"}, "for_a_time")};
    CHECK(device.faults() == "");
  }
  SUBCASE("beside the key, and nobody named it") {
    device.sign(key, {"-V", "20200101Z:20260101Z"});
    CHECK(device.faults() == "identity_file[0]: " + key +
                                 "-cert.pub expired at 2026-01-01 00:00 UTC; have the key signed anew (may heal)\n");
  }
}

TEST_CASE("known_hosts with which no host key is trusted is named") {
  Device device;
  const std::string& file = device.known_hosts;
  const std::string known = "relay.example " + public_key(host_key(KeyType::ed25519)) + "\n";
  SUBCASE("a folder") {
    std::filesystem::create_directory(file);
    CHECK(device.faults() == "user_known_hosts_file[0]: " + file + " is not a regular file\n");
  }
  SUBCASE("no line, and none is taken") {
    device.knows("other.example " + public_key(host_key(KeyType::ed25519)) + "\n");
    device.spec.strict_host_key_checking = StrictHostKeyChecking::yes;
    CHECK(device.faults() ==
          "user_known_hosts_file[0]: no line for relay.example:22 in " + file +
              ": with strict_host_key_checking 'yes' it is not trusted; add it with ssh-keyscan -p 22 "
              "relay.example, and compare it with the relay's own\n");
    device.spec.host_key_fingerprint = {"SHA256:pinned"};
    CHECK(device.faults() == "");
  }
  SUBCASE("a line that can't be parsed") {
    device.knows("# ours\nrelay.example ssh-ed25519 AAAA\n");
    CHECK(device.faults() ==
          "user_known_hosts_file[0]: " + file + ":2 is about relay.example:22, but can't be parsed; delete the line\n");
    device.knows("relay.example ssh-ed25519 AAAA\n" + known);
    CHECK(device.faults() == "");
    device.knows("relay.example ssh-ed25519 AAAA");  // a power cut: it is completed if it is the relay's
    CHECK(device.faults() == "");
  }
  SUBCASE("of types that the configuration leaves out") {
    device.knows(known);
    device.spec.host_key_algorithms = "rsa-sha2-512,ecdsa-sha2-nistp256";
    CHECK(device.faults() == "user_known_hosts_file[0]: " + file +
                                 " holds only ssh-ed25519 for relay.example:22, which host_key_algorithms leaves out; "
                                 "add the type there, or "
                                 "the relay's other key to the file\n");
    device.spec.strict_host_key_checking = StrictHostKeyChecking::no;
    CHECK(device.faults() == "");
  }
  SUBCASE("to be made where there is no folder") {
    device.spec.user_known_hosts_file = device.dir / "no/where";
    CHECK(has(device.faults(), "user_known_hosts_file[0]: the folder " + (device.dir / "no") + " does not exist, so"));
    device.spec.strict_host_key_checking = StrictHostKeyChecking::no;
    CHECK(device.faults() == "");
  }
  SUBCASE("of one relay of several") {
    device.knows("a.example " + public_key(host_key(KeyType::ed25519)) + "\n");
    device.spec.strict_host_key_checking = StrictHostKeyChecking::yes;
    device.spec.relays = {{"a.example", 22, file, {}}, {"b.example", 22, device.dir / "of_b", {}}};
    CHECK(has(device.faults(), "host_name[1]: no line for b.example:22 in " + (device.dir / "of_b")));
    CHECK_FALSE(has(device.faults(), "a.example"));
  }
}

TEST_CASE("an agent that is not there is told, and may still come") {
  Device device;
  device.spec.identity_file.clear();
  device.spec.identity_agent = device.dir / "agent";
  CHECK(device.faults() == "identity_agent[0]: " + device.spec.identity_agent +
                               ": No such file or directory; no session comes up until the agent runs (may heal)\n");
  write_file(device.spec.identity_agent, "");
  CHECK(has(device.faults(), " is no socket; no session"));
}
