#include "supervisor/share.hpp"

#include <doctest/doctest.h>

#include "support/keys.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::supervisor;
using holdfast::test::client_key;
using holdfast::test::TempDir;
using holdfast::test::write_file;

namespace {

/// With tunnels a and b.
struct Device {
  Device() {
    for (const char* const name : {"a", "b"}) {
      TunnelSpec spec;
      spec.name = name;
      config.tunnels.push_back(spec);
    }
  }

  tl::expected<Config, std::string> only(const std::string& tunnel) const { return keep_only(config, tunnel); }

  TempDir state;
  Config config;
};

/// Two tunnels, whose keys need not be there.
std::string two_tunnels(const Device& device, const std::string& key_of_a, const std::string& more = "") {
  std::string text = "tunnels:\n";
  for (const std::string name : {"a", "b"}) {
    text += "  " + name + ":\n    {host_name: relay.example, user: device, remote_forward: 0:localhost:22,\n     " +
            "verify_interval: 0, server_alive_interval: 0, identity_file: " + (name == "a" ? key_of_a : client_key()) +
            "}\n";
  }
  write_file(device.state / "holdfast.yaml", text + more);
  return device.state / "holdfast.yaml";
}

}  // namespace

TEST_CASE("a process of one tunnel need not see the keys of another, but its own") {
  const Device device;
  const std::string file = two_tunnels(device, "/nonexistent/key");
  const auto share = load_share(file, "b");
  REQUIRE(share);
  REQUIRE_FALSE(share->warnings.empty());
  for (const config::Problem& warning : share->warnings) CHECK(warning.key.starts_with("tunnels.b."));
  const auto without_key = load_share(file, "a");
  REQUIRE_FALSE(without_key);
  CHECK(config::to_string(without_key.error().front()) ==
        file + ":4:67: tunnels.a.identity_file: private key '/nonexistent/key' does not exist");
  CHECK_FALSE(load_share(file, ""));
}

TEST_CASE("a process of one tunnel wants the whole file good") {
  const Device device;
  const auto share = load_share(two_tunnels(device, client_key(), "nonsense: 1\n"), "b");
  REQUIRE_FALSE(share);
  CHECK(share.error().front().message.find("unknown key") != std::string::npos);
}

TEST_CASE("of a configuration one tunnel can be kept, with a status socket of its own") {
  const Device device;
  const auto share = device.only("b");
  REQUIRE(share);
  REQUIRE(share->tunnels.size() == 1);
  CHECK(share->tunnels[0].name == "b");
  CHECK(share->status_socket.path == "/run/holdfast/only/b/status.sock");
}

TEST_CASE("who holds the same tunnels is looked for at both sockets of each process") {
  const Device device;
  CHECK(sockets_of_rivals("", device.config, "") ==
        std::vector<std::string>{"/run/holdfast/status.sock", "/run/holdfast/status.sock.control",
                                 "/run/holdfast/only/a/status.sock", "/run/holdfast/only/a/status.sock.control",
                                 "/run/holdfast/only/b/status.sock", "/run/holdfast/only/b/status.sock.control"});
  const std::string file = two_tunnels(device, client_key());
  CHECK(sockets_of_rivals(file, *device.only("b"), "b") ==
        std::vector<std::string>{"/run/holdfast/only/b/status.sock", "/run/holdfast/only/b/status.sock.control",
                                 "/run/holdfast/status.sock", "/run/holdfast/status.sock.control"});
}

TEST_CASE("a tunnel that there is not is told from those that there are") {
  const Device device;
  const auto share = device.only("c");
  REQUIRE_FALSE(share);
  CHECK(share.error() == "there is no 'c', which --only names; there are: a, b");
}
