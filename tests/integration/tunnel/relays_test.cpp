#include <doctest/doctest.h>

#include "scenario.hpp"
#include "support/http_unix.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast::test;

namespace {

std::string name_of(const Sshd& relay) {
  return relay.host() + ":" + std::to_string(relay.port());
}

/// A tunnel over all of these, in this order; a better one is looked at every second or two.
Tunnel over(const std::vector<const Sshd*>& relays) {
  std::string list;
  std::string known_hosts;
  for (const Sshd* relay : relays) {
    list += (list.empty() ? "" : ", ") + name_of(*relay);
    known_hosts += relay->known_hosts();
  }
  Tunnel tunnel = Tunnel::to(*relays.front()).set("host_name", "[" + list + "]").set("fail_back_after", "1");
  tunnel.known_hosts = known_hosts;
  return tunnel;
}

/// Up, and on this one.
bool holds_at(const Json& tunnel, const Sshd& relay) {
  return tunnel.at("up") == true && tunnel.at("relay") == name_of(relay);
}

auto up_at(const Sshd& relay) {
  return [&relay](const Json& tunnel) { return holds_at(tunnel, relay); };
}

std::size_t count(const std::string& text, const std::string& word) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos; at += word.size()) ++found;
  return found;
}

}  // namespace

TEST_CASE("when nothing listens at the first relay the second one holds the tunnel, at once") {
  Sshd first;
  Sshd second;
  first.stop();
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Stopwatch watch;
  const Holdfast holdfast(over({&first, &second}).forward(to_local(port, target.port())).set("fail_back_after", "0"));
  REQUIRE(holdfast.wait_for(up_at(second)));
  CHECK(watch.elapsed() < 2s + slack);
  CHECK(echoes(port));

  const Json tunnel = holdfast.tunnel();
  CHECK(tunnel["attempt"] == 2);
  CHECK(tunnel["relays"].size() == 2);
  CHECK(tunnel["relays"][0]["current"] == false);
  CHECK(tunnel["relays"][0]["last_failure"]["cause"] == "connection_refused");
  CHECK(tunnel["relays"][1]["current"] == true);
  CHECK(tunnel["relays"][1]["last_failure"].is_null());
  CHECK(holdfast.says("next try at " + name_of(second)));
  const Finished health = holdfast.command({"health"});
  CHECK(health.status.code == 0);
  CHECK(health.output.find("up at " + name_of(second) + " instead of " + name_of(first)) != std::string::npos);
}

TEST_CASE("a relay that dies under the tunnel is replaced, and returned to when it is back") {
  Sshd first;
  Sshd second;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(over({&first, &second}).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for(up_at(first)));
  first.stop();
  REQUIRE(holdfast.wait_for(up_at(second)));
  CHECK(echoes(port));

  // It is looked at and found away at least once before it comes back.
  REQUIRE(wait_until([&] { return holdfast.log().find("is not back yet") != std::string::npos; }));
  CHECK(echoes(port));
  first.start();
  REQUIRE(holdfast.wait_for(up_at(first)));
  CHECK(echoes(port));
  CHECK(holdfast.says("going back to " + name_of(first)));
  CHECK(holdfast.tunnel()["relays"][0]["last_failure"].is_null());
  CHECK(holdfast.tunnel()["sessions_established"] == 3);
}

TEST_CASE("a visitor's connection is not cut by the return to the better relay, and the return follows its end") {
  Sshd first;
  Sshd second;
  first.stop();
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(over({&first, &second}).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for(up_at(second)));
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  caller.send("x");
  REQUIRE(caller.receive_exactly(1) == "x");

  first.start();
  REQUIRE(wait_until([&] { return holdfast.log().find("answers again") != std::string::npos; }));
  CHECK(holds_for([&] { return holds_at(holdfast.tunnel(), second); }, 1500ms));
  caller.send("y");
  CHECK(caller.receive_exactly(1) == "y");

  caller.close();
  REQUIRE(holdfast.wait_for(up_at(first)));
  CHECK(echoes(port));
}

TEST_CASE(
    "a relay that refuses the key does not keep the second one from being tried, and is not returned to for good") {
  SshdOptions options;
  options.authorized_keys = std::vector<std::string>{};
  Sshd first(options);
  Sshd second;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(over({&first, &second}).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for(up_at(second)));
  CHECK(holdfast.tunnel()["relays"][0]["last_failure"]["cause"] == "authentication_refused");

  // It answers with a banner, so that it is gone back to once; it still refuses, and the second one has the tunnel
  // again.
  REQUIRE(wait_until([&] { return holdfast.log().find("going back to") != std::string::npos; }));
  REQUIRE(
      holdfast.wait_for([&](const Json& now) { return now["sessions_established"] == 2 && holds_at(now, second); }));
  CHECK(echoes(port));
}

TEST_CASE("a forward that the first relay forbids is held by the second one") {
  SshdOptions options;
  options.config = {"PermitListen none"};
  Sshd first(options);
  Sshd second;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(over({&first, &second}).forward(to_local(port, target.port())).set("fail_back_after", "0"));
  REQUIRE(holdfast.wait_for(up_at(second)));
  CHECK(echoes(port));
  CHECK(holdfast.tunnel()["relays"][0]["last_failure"]["cause"] == "forward_refused");
}

TEST_CASE("a changed host key of the first relay is an error to be seen, and the second one is used") {
  SshdOptions impostor;
  impostor.host_key_set = 1;
  Sshd first(impostor);
  Sshd second;
  const TargetServer target(echo());
  Tunnel tunnel = over({&first, &second}).forward(to_local(free_port(), target.port())).set("fail_back_after", "0");
  first.options().host_key_set = 0;  // what is known of it
  tunnel.known_hosts = first.known_hosts() + second.known_hosts();
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for(up_at(second)));
  CHECK(holdfast.tunnel()["relays"][0]["last_failure"]["cause"] == "host_key_changed");
  CHECK(holdfast.status()["health"] == "warning");
  const Finished health = holdfast.command({"health"});
  CHECK(health.status.code == 1);
  CHECK(health.output.find("host key changed") != std::string::npos);
}

TEST_CASE("each relay has its own known hosts") {
  Sshd first;
  Sshd second;
  Tunnel tunnel = over({&first, &second}).forward(to_local(free_port(), free_port())).set("fail_back_after", "0");
  const TempDir dir;
  write_file(dir / "first", second.known_hosts());  // knows the other one only
  write_file(dir / "second", second.known_hosts());
  tunnel.set("host_name", "[{host_name: 127.0.0.1, port: " + std::to_string(first.port()) +
                              ", user_known_hosts_file: " + (dir / "first") + "}, {host_name: 127.0.0.1, port: " +
                              std::to_string(second.port()) + ", user_known_hosts_file: " + (dir / "second") + "}]");
  tunnel.known_hosts = first.known_hosts();
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for(up_at(second)));
  CHECK(holdfast.tunnel()["relays"][0]["last_failure"]["cause"] == "host_key_unknown");
}

TEST_CASE("while all relays are dead each is tried again and again, and the first to be back has the tunnel") {
  Sshd first;
  Sshd second;
  first.stop();
  second.stop();
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(over({&first, &second}).forward(to_local(port, target.port())).set("fail_back_after", "0"));
  const auto tries = [&](const Sshd& relay) {
    return count(holdfast.log(), "connect to " + name_of(relay) + ": connection refused");
  };
  REQUIRE(wait_until([&] { return tries(first) >= 3 && tries(second) >= 3; }, 30s));
  second.start();
  REQUIRE(holdfast.wait_for(up_at(second)));
  CHECK(echoes(port));
}

TEST_CASE("a relay that accepts and then says nothing is left for the next one within seconds") {
  Sshd first;
  Sshd second;
  first.freeze();
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Stopwatch watch;
  const Holdfast holdfast(over({&first, &second})
                              .forward(to_local(port, target.port()))
                              .set("fail_back_after", "0")
                              .set("connect_timeout", "30"));
  REQUIRE(holdfast.wait_for(up_at(second), "relay", 30s));
  CHECK(watch.elapsed() < 5s + slack);
  CHECK(echoes(port));
  CHECK(holdfast.tunnel()["relays"][0]["last_failure"]["cause"] == "phase_timed_out");
  first.thaw();
}

TEST_CASE("a reconnect on request goes to the preferred relay") {
  Sshd first;
  Sshd second;
  first.stop();
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(over({&first, &second}).forward(to_local(port, target.port())).set("fail_back_after", "0"));
  REQUIRE(holdfast.wait_for(up_at(second)));
  first.start();
  CHECK(holds_for([&] { return holds_at(holdfast.tunnel(), second); }, 1s));
  CHECK(holdfast.command({"reconnect", "relay"}).status.code == 0);
  REQUIRE(holdfast.wait_for(up_at(first)));
  CHECK(echoes(port));
}
