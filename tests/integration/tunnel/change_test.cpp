#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>
#include <utility>

#include "scenario.hpp"
#include "support/http_unix.hpp"
#include "support/keys.hpp"

using namespace holdfast::test;

namespace {

/// A tunnel that is up, and somebody who is connected through it.
struct Scene {
  Scene() { REQUIRE(holdfast.wait_for_up()); }

  Tunnel tunnel() const {
    Tunnel made = Tunnel::to(relay).forward(to_local(port, target.port()));
    // Long enough that only a new reload, a reconnect or a success ends it.
    return made.set("backoff", "{network: {first: 1, cap: 1}, refused: {first: 3600, cap: 3600}}");
  }

  void reload(const Tunnel& changed) const {
    holdfast.write_config({changed});
    CHECK(http_request(holdfast.control_path(), "POST", "/v1/reload").status == 200);
  }

  /// The visitor's connection lives.
  bool visited() {
    caller->send("x");
    return caller->receive_exactly(1) == "x";
  }

  void visit() { caller.emplace(Socket::connect_tcp("127.0.0.1", port)); }

  bool untouched() const {
    const Json now = holdfast.tunnel();
    return now["up"] == true && now["attempt"] == 1;
  }

  bool change_fails_with(const std::string& cause) const {
    return holdfast.wait_for([&](const Json& now) { return now["change"]["last_error"]["cause"] == cause; });
  }

  bool changed_at(std::uint16_t listener) const {
    return holdfast.wait_for([&](const Json& now) {
      return now["change"].is_null() && now["up"] == true && now["forwards"][0]["bound_port"] == listener;
    });
  }

  Sshd relay;
  TargetServer target{echo()};
  std::uint16_t port = free_port();
  Holdfast holdfast{tunnel()};
  std::optional<Socket> caller;
};

}  // namespace

TEST_CASE("a change that can't come up leaves the session as it is, and says why") {
  Scene scene;
  scene.visit();
  Tunnel changed = scene.tunnel();
  std::string cause;
  SUBCASE("the relay refuses the key") {
    changed.set("identity_file", stranger_key());
    cause = "authentication_refused";
  }
  SUBCASE("the relay's host key is not the one that is known") {
    changed.known_hosts =
        "[127.0.0.1]:" + std::to_string(scene.relay.port()) + " " + public_key(host_key(KeyType::ed25519, 1)) + "\n";
    changed.set("connect_timeout", "6").set("host_key_algorithms", "ssh-ed25519");
    cause = "host_key_changed";
  }
  SUBCASE("there is no such relay") {
    changed.set("port", std::to_string(free_port())).set("strict_host_key_checking", "accept-new");
    cause = "connection_refused";
  }
  scene.reload(changed);
  REQUIRE(scene.change_fails_with(cause));
  CHECK(scene.untouched());
  CHECK(scene.visited());
  CHECK(echoes(scene.port));
  const Finished health = scene.holdfast.command({"health"});
  CHECK(health.status.code == 1);
  CHECK_MESSAGE(health.output.find("relay: up, with the former configuration; the changed one can't come up: ") !=
                    std::string::npos,
                health.output);
  CHECK(scene.holdfast.command({"status"}).output.find("the changed configuration failed ") != std::string::npos);
  CHECK(scene.holdfast.says("the changed configuration: "));
}

TEST_CASE("a change that can't come up goes with the next reload, and with a stop") {
  Scene scene;
  scene.visit();
  scene.reload(scene.tunnel().set("identity_file", stranger_key()));
  REQUIRE(scene.change_fails_with("authentication_refused"));
  SUBCASE("a reload back drops it") {
    scene.reload(scene.tunnel());
    CHECK(scene.holdfast.tunnel()["change"].is_null());
    CHECK(scene.untouched());
    CHECK(scene.visited());
    CHECK(scene.holdfast.command({"health"}).status.code == 0);
  }
  SUBCASE("a stop ends both") {
    scene.holdfast.signal(SIGTERM);
    const auto status = scene.holdfast.wait();
    REQUIRE(status);
    CHECK(status->code == 0);
  }
  SUBCASE("a better change takes its place") {
    const std::uint16_t better = free_port();
    scene.reload(Tunnel::to(scene.relay).forward(to_local(better, scene.target.port())));
    CHECK(scene.changed_at(better));
    CHECK(echoes(better));
    CHECK_FALSE(is_listening(scene.port));
  }
}

TEST_CASE("while a change can't come up, the former configuration is what brings the tunnel back") {
  Scene scene;
  scene.reload(scene.tunnel().set("identity_file", stranger_key()));
  REQUIRE(scene.change_fails_with("authentication_refused"));
  SUBCASE("from a lost session") {
    scene.relay.kill_sessions();
    REQUIRE(scene.holdfast.wait_for([](const Json& now) { return now["attempt"] == 2 && now["up"] == true; }));
  }
  SUBCASE("from a reconnect on request, which tries the change as well") {
    CHECK(scene.holdfast.command({"reconnect", "relay"}).status.code == 0);
    REQUIRE(scene.holdfast.wait_for(
        [](const Json& now) { return now["attempt"] == 2 && now["up"] == true && now["change"]["attempt"] == 2; }));
  }
  CHECK(echoes(scene.port));
}

TEST_CASE("a change comes into force once it can, and the listener is away for a moment only") {
  Scene scene;
  const Sshd other;
  Tunnel changed = scene.tunnel();
  std::uint16_t listener = scene.port;
  SUBCASE("on the same port") {
    changed.set("connect_timeout", "6");
  }
  SUBCASE("on another port") {
    listener = free_port();
    changed = Tunnel::to(scene.relay).forward(to_local(listener, scene.target.port()));
  }
  SUBCASE("at another relay") {
    changed = Tunnel::to(other).forward(to_local(listener, scene.target.port()));
  }
  scene.visit();
  REQUIRE(scene.visited());
  scene.reload(changed);
  std::optional<Stopwatch> away;
  std::chrono::milliseconds gap{};
  const bool came = wait_until([&] {
    const bool there = is_listening(scene.port) || is_listening(listener);
    if (!there && !away) away.emplace();
    if (there && away) gap = std::max(gap, std::exchange(away, std::nullopt)->elapsed());
    return there && scene.holdfast.tunnel()["change"].is_null() && scene.holdfast.tunnel()["up"] == true;
  });
  CHECK(came);
  MESSAGE("the listener was away for ", gap.count(), " ms");
  CHECK(gap < (sanitized ? 2s : 500ms));
  CHECK(echoes(listener));
  // The former session lets those who are connected finish, for drain_timeout.
  CHECK(scene.visited());
  scene.caller.reset();
  CHECK(scene.holdfast.tunnel()["sessions_established"] == 1);
}

TEST_CASE("a tunnel that is removed and comes back while its session still drains is held again") {
  Scene scene;
  scene.visit();
  REQUIRE(scene.visited());
  const Tunnel other = Tunnel::to(scene.relay, "other").forward(to_local(free_port(), scene.target.port()));
  scene.reload(other);
  REQUIRE(scene.holdfast.wait_for([](const Json& now) { return now["state"] == "draining"; }));
  scene.reload(scene.tunnel());
  CHECK(scene.holdfast.wait_for(
      [](const Json& now) { return now["attempt"] == 1 && now["change"].is_null() && now["up"] == true; }));
  CHECK(echoes(scene.port));
  CHECK(scene.visited());
}

TEST_CASE("a change to a relay that is away comes into force when the relay is back") {
  Scene scene;
  Sshd other;
  other.stop();
  scene.reload(Tunnel::to(other).forward(to_local(scene.port, scene.target.port())));
  REQUIRE(scene.change_fails_with("connection_refused"));
  CHECK(scene.untouched());
  other.start();
  CHECK(scene.holdfast.wait_for([](const Json& now) { return now["change"].is_null() && now["up"] == true; }));
  CHECK(scene.holdfast.tunnel()["relay"] == "127.0.0.1:" + std::to_string(other.port()));
  CHECK(echoes(scene.port));
}

TEST_CASE("another log level needs no new session") {
  Scene scene;
  scene.reload(scene.tunnel().set("log_level", "error"));
  CHECK(scene.holdfast.tunnel()["change"].is_null());
  CHECK(scene.untouched());
  const std::string before = scene.holdfast.log();
  scene.relay.kill_sessions();
  REQUIRE(scene.holdfast.wait_for([](const Json& now) { return now["attempt"] == 2 && now["up"] == true; }));
  CHECK(scene.holdfast.log().substr(before.size()).find("established") == std::string::npos);

  scene.reload(scene.tunnel());  // back, which is a change as well
  scene.relay.kill_sessions();
  CHECK(
      wait_until([&] { return scene.holdfast.log().substr(before.size()).find("established") != std::string::npos; }));
}
