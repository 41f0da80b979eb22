#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "scenario.hpp"
#include "support/http_unix.hpp"
#include "support/keys.hpp"

using namespace holdfast::test;

namespace {

/// Still in its first session, and not on its way out of it: a tunnel that drains has its attempt and connections too.
bool untouched(const Holdfast& holdfast, const std::string& name) {
  const Json tunnel = holdfast.tunnel(name);
  return tunnel["attempt"] == 1 && tunnel["state"] == "established";
}

}  // namespace

TEST_CASE("a reload adds, changes and removes tunnels, and does not touch the others") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t kept_port = free_port();
  const std::uint16_t old_port = free_port();
  const std::uint16_t new_port = free_port();
  const std::uint16_t removed_port = free_port();
  const std::uint16_t added_port = free_port();
  const Tunnel kept = Tunnel::to(relay, "kept").forward(to_local(kept_port, target.port()));
  const Tunnel removed = Tunnel::to(relay, "removed").forward(to_local(removed_port, target.port()));
  Holdfast holdfast({kept, Tunnel::to(relay, "changed").forward(to_local(old_port, target.port())), removed});
  for (const char* name : {"kept", "changed", "removed"}) {
    REQUIRE(holdfast.wait_for_up(name));
  }
  Socket caller = Socket::connect_tcp("127.0.0.1", kept_port);
  caller.send("x");
  REQUIRE(caller.receive_exactly(1) == "x");

  holdfast.write_config({Tunnel::to(relay, "added").forward(to_local(added_port, target.port())), kept,
                         Tunnel::to(relay, "changed").forward(to_local(new_port, target.port()))});
  SUBCASE("by SIGHUP") {
    holdfast.signal(SIGHUP);
  }
  SUBCASE("by POST") {
    CHECK(http_request(holdfast.control_path(), "POST", "/v1/reload").status == 200);
  }
  SUBCASE("by command") {
    CHECK(holdfast.command({"reload"}).status.code == 0);
  }
  REQUIRE(holdfast.wait_for_up("added"));
  REQUIRE(holdfast.wait_for(
      [&](const Json& now) { return now["up"] == true && now["forwards"][0]["bound_port"] == new_port; }, "changed"));
  REQUIRE(wait_until([&] { return holdfast.tunnel("removed").is_null(); }));
  CHECK(echoes(added_port));
  CHECK(echoes(new_port));
  CHECK_FALSE(is_listening(old_port));
  CHECK_FALSE(is_listening(removed_port));
  caller.send("y");
  CHECK(caller.receive_exactly(1) == "y");
  CHECK(untouched(holdfast, "kept"));
  CHECK(holdfast.tunnel("kept")["forwards"][0]["accepted"] == 1);
  CHECK(echoes(kept_port));
  CHECK(holdfast.status()["tunnels"].size() == 3);
}

TEST_CASE("a bad file changes nothing and says why, until a good one comes") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, target.port()));
  Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for_up());
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  const std::string good = read_file(holdfast.config_path());
  holdfast.write_config_text(good + "    server_alive_intervall: 22\n");

  SUBCASE("by SIGHUP") {
    holdfast.signal(SIGHUP);
    REQUIRE(wait_until([&] { return !holdfast.status()["last_reload_error"].is_null(); }));
  }
  SUBCASE("by POST") {
    const HttpResponse response = http_request(holdfast.control_path(), "POST", "/v1/reload");
    CHECK(response.status == 422);
    CHECK(response.body.find("server_alive_intervall") != std::string::npos);
  }
  SUBCASE("by command") {
    const Finished reload = holdfast.command({"reload"});
    CHECK(reload.status.code == 1);
    CHECK(reload.errors.find("server_alive_intervall") != std::string::npos);
  }
  SUBCASE("by a file that is gone") {
    REQUIRE(::unlink(holdfast.config_path().c_str()) == 0);
    holdfast.signal(SIGHUP);
    REQUIRE(wait_until([&] { return !holdfast.status()["last_reload_error"].is_null(); }));
    holdfast.write_config_text(good + "    server_alive_intervall: 22\n");
    CHECK(http_request(holdfast.control_path(), "POST", "/v1/reload").status == 422);
  }
  const std::string error = holdfast.status()["last_reload_error"];
  CHECK(error.find("server_alive_intervall") != std::string::npos);
  CHECK(error.find("did you mean") != std::string::npos);
  CHECK(error.find("holdfast.yaml:") != std::string::npos);
  CHECK(holdfast.says(error.substr(0, error.find('\n'))));
  caller.send("x");
  CHECK(caller.receive_exactly(1) == "x");
  CHECK(untouched(holdfast, "relay"));

  holdfast.write_config_text(good);
  CHECK(http_request(holdfast.control_path(), "POST", "/v1/reload").status == 200);
  CHECK(holdfast.status()["last_reload_error"].is_null());
  CHECK(untouched(holdfast, "relay"));
}

TEST_CASE("a tunnel comes and goes with its file in conf.d") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Tunnel tunnel = Tunnel::to(relay, "added").forward(to_local(port, target.port()));
  Holdfast holdfast(Tunnel::to(relay, "kept").forward(to_local(free_port(), target.port())));
  REQUIRE(holdfast.wait_for_up("kept"));

  holdfast.write_drop_in("site.yaml", {tunnel});
  CHECK(run({{holdfast_binary(), "check", "-c", holdfast.config_path()}}).output.find("added:") != std::string::npos);
  CHECK(holdfast.command({"reload"}).status.code == 0);
  REQUIRE(holdfast.wait_for_up("added"));
  CHECK(echoes(port));

  holdfast.write_drop_in("other.yaml", {tunnel});
  const Finished refused = holdfast.command({"reload"});
  CHECK(refused.status.code == 1);
  const std::string folder = std::filesystem::path(holdfast.config_path()).parent_path() / "conf.d";
  const std::string said = folder + "/site.yaml:2:3: tunnels.added: given twice; first in " + folder + "/other.yaml:2";
  CHECK_MESSAGE(refused.errors.find(said) != std::string::npos, refused.errors);
  CHECK(untouched(holdfast, "added"));

  std::filesystem::remove_all(folder);
  CHECK(holdfast.command({"reload"}).status.code == 0);
  CHECK(wait_until([&] { return holdfast.tunnel("added").is_null(); }));
  CHECK(untouched(holdfast, "kept"));
}

TEST_CASE("a listener that a reload gives to another tunnel changes hands") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast(Tunnel::to(relay, "before").forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up("before"));
  holdfast.write_config({Tunnel::to(relay, "after").forward(to_local(port, target.port()))});
  holdfast.signal(SIGHUP);
  REQUIRE(holdfast.wait_for_up("after"));
  CHECK(holdfast.tunnel("before").is_null());
  CHECK(echoes(port));
}

TEST_CASE("a tunnel that is changed, or removed, while it waits or while its relay is frozen") {
  Sshd relay;
  const Sshd other;
  const std::uint16_t port = free_port();
  const TargetServer target(echo());
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, target.port())).set("drain_timeout", "1");
  SUBCASE("waits") {
    relay.stop();
    tunnel.set("backoff", "{network: {first: 3600, cap: 3600}}");
    Holdfast holdfast(tunnel);
    REQUIRE(holdfast.wait_for([](const Json& now) { return now["state"] == "backing_off"; }));
    holdfast.write_config({Tunnel::to(other).forward(to_local(port, target.port()))});
    holdfast.signal(SIGHUP);
    CHECK(holdfast.wait_for_up());
    CHECK(echoes(port));
  }
  SUBCASE("frozen") {
    const std::uint16_t new_port = free_port();  // the frozen relay of this machine still listens on the old one
    Holdfast holdfast(tunnel);
    REQUIRE(holdfast.wait_for_up());
    relay.freeze();
    holdfast.write_config({Tunnel::to(other).forward(to_local(new_port, target.port()))});
    holdfast.signal(SIGHUP);
    CHECK(holdfast.wait_for(
        [&](const Json& now) { return now["up"] == true && now["forwards"][0]["bound_port"] == new_port; }, "relay",
        30s));
    CHECK(echoes(new_port));
  }
}

TEST_CASE("reconnect opens a new session and lets open connections finish") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("drain_timeout", "1"));
  REQUIRE(holdfast.wait_for_up());
  SUBCASE("by POST") {
    CHECK(http_request(holdfast.control_path(), "POST", "/v1/tunnels/relay/reconnect").status == 202);
    CHECK(http_request(holdfast.control_path(), "POST", "/v1/tunnels/nobody/reconnect").status == 404);
  }
  SUBCASE("by command") {
    CHECK(holdfast.command({"reconnect", "relay"}).status.code == 0);
  }
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"] == 2 && now["up"] == true; }));
  CHECK(echoes(port));
  CHECK(wait_until([&] { return relay.sessions().size() == 2; }));
}

TEST_CASE("reconnect cuts the wait of a tunnel short") {
  Sshd relay;
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, 1));
  tunnel.set("backoff", "{network: {first: 3600, cap: 3600}}");
  relay.stop();
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["state"] == "backing_off"; }));
  relay.start();
  CHECK(holdfast.command({"reconnect", "relay"}).status.code == 0);
  CHECK(holdfast.wait_for_up());
}

TEST_CASE("what the device can know of a changed tunnel is found while its session still stands") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, target.port()));
  Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for_up());
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  Tunnel changed = tunnel;
  std::string what;
  SUBCASE("a key with a passphrase") {
    changed.set("identity_file", encrypted_key());
    what = "tunnels.relay.identity_file: " + encrypted_key() + " needs a passphrase";
  }
  SUBCASE("no line for the relay in known_hosts") {
    changed.known_hosts = "other.example " + public_key(host_key(KeyType::ed25519)) + "\n";
    what = "tunnels.relay.user_known_hosts_file: no line for ";
    changed.set("connect_timeout", "6");
  }
  holdfast.write_config({changed});
  const Finished check = run({{holdfast_binary(), "check", "-c", holdfast.config_path()}});
  const Finished reload = holdfast.command({"reload"});
  CHECK(check.status.code == 2);
  CHECK(reload.status.code == 1);
  for (const std::string& said : {check.errors, reload.errors, std::string{holdfast.status()["last_reload_error"]}}) {
    CHECK_MESSAGE(said.find("holdfast.yaml:") != std::string::npos, said);
    CHECK_MESSAGE(said.find(what) != std::string::npos, said);
  }
  caller.send("x");
  CHECK(caller.receive_exactly(1) == "x");
  CHECK(untouched(holdfast, "relay"));
}

TEST_CASE("a start goes on with what may heal, and says what is wrong") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Tunnel late = Tunnel::to(relay, "late").forward(to_local(free_port(), target.port()));
  std::string what;
  SUBCASE("a key with a passphrase") {
    late.set("identity_file", encrypted_key());
    what = "identity_file: " + encrypted_key() + " needs a passphrase";
  }
  SUBCASE("a key that is not there yet") {
    late.set("identity_file", "/nonexistent/key");
    what = "identity_file: /nonexistent/key: No such file or directory";
  }
  SUBCASE("an address, an interface and a target that are not there yet") {
    late.set("bind_address", "192.0.2.1").set("bind_interface", "nonexistent0").forward("0:/nonexistent/socket");
    what = "bind_address: this device can't connect from 192.0.2.1 now (";
  }
  Holdfast holdfast({late, Tunnel::to(relay).forward(to_local(port, target.port()))});
  CHECK(holdfast.wait_for_up());
  CHECK(holdfast.says("warning: " + holdfast.config_path() + ":"));
  CHECK(holdfast.says("tunnels.late." + what));
}
