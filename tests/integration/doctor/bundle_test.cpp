#include <doctest/doctest.h>
#include <sys/stat.h>

#include <string>

#include "support/keys.hpp"
#include "support/process.hpp"
#include "support/sshd.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast::test;

namespace {

struct Device {
  Device() {
    write_file(dir / "holdfast.yaml",
               "status_socket:\n  path: " + (dir / "status.sock") +
                   "\ntunnels:\n  customer-seven:\n"
                   "    host_name: relay.customer.invalid\n    user: erika\n    identity_file: " +
                   (dir / "key") +
                   "\n    device_id: gateway-of-erika\n    remote_forward: [\"4649:192.168.77.5:22\"]\n");
    run_checked({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir / "key"}});
  }
  Finished doctor(std::vector<std::string> more) const {
    more.insert(more.begin(), {HOLDFAST_BINARY, "doctor", "--config", dir / "holdfast.yaml"});
    return run({.argv = more}, std::chrono::seconds{60});
  }
  TempDir dir;
};

}  // namespace

TEST_CASE("a bundle has what a helper needs, no key, and nobody's name or address") {
  const Device device;
  const std::string file = device.dir / "bundle.txt";
  const Finished written = device.doctor({"--bundle", file});
  INFO(written.errors);
  REQUIRE(written.status.code == 0);
  const std::string text = read_file(file);
  CAPTURE(text);
  struct stat found {};
  REQUIRE(::stat(file.c_str(), &found) == 0);
  CHECK((found.st_mode & 0777U) == 0600);
  for (const char* part : {"==== versions", "==== diagnosis", "==== status", "==== configuration", "==== log",
                           "\"answer\"", "\"findings\"", "host_name: relay-1", "user: user-1"})
    CHECK(text.find(part) != std::string::npos);
  const Finished judged = run({.argv = {HOLDFAST_BINARY, "doctor", "--findings", file}});
  CHECK(judged.status.code == 2);
  CHECK(judged.output.starts_with("Tunnel tunnel-1, as recorded in " + file + "\n"));
  CHECK(run({.argv = {HOLDFAST_BINARY, "doctor", "--findings", file, "tunnel-1"}}).output == judged.output);
  const Finished unknown = run({.argv = {HOLDFAST_BINARY, "doctor", "--findings", file, "customer-seven"}});
  CHECK(unknown.status.code == 2);
  CHECK(unknown.errors.find("there are: tunnel-1") != std::string::npos);
  for (const char* name : {"relay.customer", "erika", "customer-seven", "192.168.77.5", "PRIVATE KEY"})
    CHECK(text.find(name) == std::string::npos);
}

TEST_CASE("a bundle keeps the version of an sshd, and replaces what its owner adds to it") {
  SshdOptions options;
  options.config = {"VersionAddendum Plant-Seven of Erika"};
  const Sshd relay{options};
  const TempDir dir;
  write_file(dir / "known", relay.known_hosts());
  write_file(dir / "holdfast.yaml", "status_socket:\n  path: " + (dir / "status.sock") +
                                        "\ntunnels:\n  relay:\n    host_name: " + relay.host() +
                                        "\n    port: " + std::to_string(relay.port()) + "\n    user: " + relay.user() +
                                        "\n    user_known_hosts_file: " + (dir / "known") + "\n    identity_file: " +
                                        client_key() + "\n    remote_forward: [\"4649:localhost:22\"]\n");
  const std::string file = dir / "bundle.txt";
  const Finished written =
      run({.argv = {HOLDFAST_BINARY, "doctor", "--config", dir / "holdfast.yaml", "--bundle", file}},
          std::chrono::seconds{60});
  INFO(written.errors);
  REQUIRE(written.status.code == 0);
  const std::string text = read_file(file);
  CAPTURE(text);
  CHECK(text.find("\"SSH-2.0-OpenSSH_") != std::string::npos);
  CHECK(text.find("addendum-1\"") != std::string::npos);
  CHECK(text.find("Plant-Seven") == std::string::npos);
}

TEST_CASE("with --plain names stay, and a file that is there is not written over") {
  const Device device;
  const std::string file = device.dir / "bundle.txt";
  REQUIRE(device.doctor({"--bundle", file, "--plain"}).status.code == 0);
  const std::string text = read_file(file);
  CHECK(text.find("relay.customer.invalid") != std::string::npos);
  CHECK(text.find("PRIVATE KEY") == std::string::npos);
  const Finished again = device.doctor({"--bundle", file});
  CHECK(again.status.code == 2);
  CHECK(again.errors.find("is there already") != std::string::npos);
  CHECK(read_file(file) == text);
}
