#include "holdfast/config.hpp"

#include <doctest/doctest.h>

using namespace holdfast;

TEST_CASE("a process of one tunnel has its status socket in a folder beside that of all") {
  CHECK(socket_of_tunnel("/run/holdfast/status.sock", "relay") == "/run/holdfast/only/relay/status.sock");
  CHECK(socket_of_tunnel("/status", "a.b-c") == "/only/a.b-c/status");
}

TEST_CASE("a control socket is beside its status socket, and of no other") {
  CHECK(control_socket("/run/holdfast/status.sock") == "/run/holdfast/status.sock.control");
  CHECK(control_socket("/run/holdfast/a") != control_socket("/run/holdfast/a.sock"));
  CHECK(control_socket(socket_of_tunnel("/run/holdfast/status.sock", "a")) ==
        "/run/holdfast/only/a/status.sock.control");
}

TEST_CASE("addresses are written as ssh writes them, IPv6 literals in brackets") {
  CHECK(listener_name({"localhost", 4649, {}}) == "localhost:4649");
  CHECK(listener_name({"", 80, {}}) == "*:80");
  CHECK(listener_name({"::1", 0, {}}) == "[::1]:0");
  CHECK(target_name(TcpTarget{"fe80::1%eth0", 22}) == "[fe80::1%eth0]:22");
  CHECK(target_name(TcpTarget{"camera", 80}) == "camera:80");
  CHECK(target_name(UnixTarget{"/run/app.sock"}) == "/run/app.sock");
  TunnelSpec spec;
  spec.host_name = "2001:db8::1";
  spec.port = 2222;
  CHECK(relay_name(spec) == "[2001:db8::1]:2222");
}

TEST_CASE("what has a colon, or digits and dots only, looks like an address") {
  for (const char* address : {"192.0.2.1", "::1", "fe80::1%eth0", "10"}) CHECK(looks_like_address(address));
  for (const char* name : {"relay", "relay.example", "4649.example", "1e1"}) CHECK_FALSE(looks_like_address(name));
}

TEST_CASE("a relay's other keys are learnt only where its first one may be, and nobody said which are good") {
  TunnelSpec spec;
  CHECK(learns_host_keys(spec));
  for (const auto checking : {StrictHostKeyChecking::yes, StrictHostKeyChecking::no}) {
    spec.strict_host_key_checking = checking;
    CHECK_FALSE(learns_host_keys(spec));
  }
  spec.strict_host_key_checking = StrictHostKeyChecking::accept_new;
  spec.host_key_fingerprint = {"SHA256:x"};
  CHECK_FALSE(learns_host_keys(spec));
}

TEST_CASE("a tunnel is found by its whole name, and the names are in the file's order") {
  Config config;
  config.tunnels.resize(2);
  config.tunnels[0].name = "relay";
  config.tunnels[1].name = "a";
  CHECK(find_tunnel(config, "a") == &config.tunnels[1]);
  CHECK(find_tunnel(config, "rel") == nullptr);
  CHECK(find_tunnel(Config{}, "a") == nullptr);
  CHECK(tunnel_names(config) == std::vector<std::string>{"relay", "a"});
}
