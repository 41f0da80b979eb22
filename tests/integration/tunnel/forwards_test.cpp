#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "scenario.hpp"

using namespace holdfast::test;

namespace {

bool refused_with_words(const Json& tunnel, std::uint16_t port, const std::string& cause) {
  const Json& error = tunnel["last_error"];
  return !error.is_null() && error["cause"] == cause && !error["remedy"].get<std::string>().empty() &&
         error["subject"] == "localhost:" + std::to_string(port);
}

}  // namespace

TEST_CASE("a port that another server holds is asked for until it is free") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  std::optional<TakenPort> taken(port);
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_failure("listener_held_stale"));  // it accepts nobody, so nobody is alive there
  CHECK(refused_with_words(holdfast.tunnel(), port, "listener_held_stale"));
  CHECK(holds_for([&] { return holdfast.state() == "requesting_forwards"; }, 2500ms));  // asked again meanwhile
  CHECK(holdfast.tunnel()["sessions_established"] == 0);
  taken.reset();
  REQUIRE(holdfast.wait_for_up("relay", 2000ms + slack));
  CHECK(echoes(port));
  CHECK(holdfast.tunnel()["attempt"] == 1);
}

TEST_CASE("a port that another ssh -R holds is left alone, and taken over once that ends") {
  const Sshd relay;
  const TargetServer target(echo());
  const TargetServer others(greet_then_echo("other\n"));
  const std::uint16_t port = free_port();
  Process other({relay.ssh_command({"-N", "-R", to_local(port, others.port())})});
  REQUIRE(wait_until([&] { return is_listening(port); }));
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_failure("listener_held_live"));
  CHECK(Socket::connect_tcp("127.0.0.1", port).receive_until("\n") == "other\n");
  other.kill();
  REQUIRE(holdfast.wait_for_up());
  CHECK(echoes(port));
}

TEST_CASE("with exit_on_forward_failure one refused forward of two keeps the tunnel down") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t good = free_port();
  const std::uint16_t bad = free_port();
  std::optional<TakenPort> taken(bad);
  const Holdfast holdfast(Tunnel::to(relay)
                              .forward(to_local(good, target.port()))
                              .forward(to_local(bad, target.port()))
                              .set("exit_on_forward_failure", "yes"));
  REQUIRE(holdfast.wait_for_failure("listener_held_stale"));
  const Json tunnel = holdfast.tunnel();
  CHECK(refused_with_words(tunnel, bad, "listener_held_stale"));
  CHECK(tunnel["state"] == "requesting_forwards");
  CHECK(tunnel["sessions_established"] == 0);
  CHECK(holdfast.command({"health"}).status.code == 2);
  CHECK(is_listening(good));  // held on to, so that nobody else gets it meanwhile
  taken.reset();
  REQUIRE(holdfast.wait_for_up());
  CHECK(echoes(good));
  CHECK(echoes(bad));
}

TEST_CASE("without exit_on_forward_failure it stays, says what is missing, and asks again on the same session") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t good = free_port();
  const std::uint16_t bad = free_port();
  std::optional<TakenPort> taken(bad);
  const Holdfast holdfast(Tunnel::to(relay)
                              .forward(to_local(good, target.port()))
                              .forward(to_local(bad, target.port()))
                              .set("exit_on_forward_failure", "no"));
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["state"] == "established"; }));
  Json tunnel = holdfast.tunnel();
  CHECK(tunnel["up"] == false);
  CHECK(refused_with_words(tunnel, bad, "listener_held_stale"));
  CHECK(tunnel["forwards"][0]["state"] == "held");
  CHECK(tunnel["forwards"][1]["state"] != "held");
  CHECK(tunnel["forwards"][1]["bound_port"].is_null());
  CHECK(echoes(good));
  CHECK(holdfast.command({"health"}).status.code == 1);

  Socket caller = Socket::connect_tcp("127.0.0.1", good);
  taken.reset();
  REQUIRE(holdfast.wait_for_up());
  CHECK(echoes(bad));
  caller.send("x");
  CHECK(caller.receive_exactly(1) == "x");
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(holdfast.command({"health"}).status.code == 0);
}

TEST_CASE("of two addresses with one port the second is told that the first has it, unless the client may specify") {
  SshdOptions options;
  bool both = false;
  SUBCASE("GatewayPorts yes") {
    options.config = {"GatewayPorts yes"};
  }
  SUBCASE("GatewayPorts clientspecified") {
    options.config = {"GatewayPorts clientspecified"};
    both = true;
  }
  const Sshd relay(options);
  const TargetServer target(greet_then_echo("hello\n"));
  const std::string port = std::to_string(free_port());
  const std::string to_target = ":" + port + ":localhost:" + std::to_string(target.port());
  const Holdfast holdfast(Tunnel::to(relay).forward("127.0.0.1" + to_target).forward("127.0.0.2" + to_target));
  if (both) {
    CHECK(holdfast.wait_for_up());
    return;
  }
  REQUIRE(holdfast.wait_for_failure("forward_refused"));
  const Json error = holdfast.tunnel()["last_error"];
  CHECK(error["subject"] == "127.0.0.2:" + port);
  CHECK(error["detail"] == "this session's own 127.0.0.1:" + port + " answers there");
}

TEST_CASE("a relay whose rules forbid the listener: we look, nobody listens, and the session is not kept") {
  SshdOptions options;
  SUBCASE("AllowTcpForwarding local") {
    options.config = {"AllowTcpForwarding local"};
  }
  SUBCASE("PermitListen of another port") {
    options.config = {"PermitListen localhost:1234"};
  }
  SUBCASE("permitlisten of another port") {
    options.authorized_keys = {"permitlisten=\"localhost:1234\" " + public_key(client_key())};
  }
  Sshd relay(options);
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"].get<int>() >= 2; }));
  CHECK(refused_with_words(holdfast.tunnel(), port, "forward_refused"));
  CHECK(holdfast.tunnel()["sessions_established"] == 0);
  CHECK_FALSE(is_listening(port));
  relay.options() = {};
  relay.restart();
  CHECK(holdfast.wait_for_up());
}

TEST_CASE("a relay that forbids us to look as well may only be busy: it is asked again on the same session") {
  SshdOptions options;
  SUBCASE("AllowTcpForwarding no") {
    options.config = {"AllowTcpForwarding no"};
  }
  SUBCASE("no-port-forwarding") {
    options.authorized_keys = {"restrict " + public_key(client_key())};
  }
  Sshd relay(options);
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_failure("forward_refused"));
  CHECK(refused_with_words(holdfast.tunnel(), port, "forward_refused"));
  CHECK(holds_for([&] { return holdfast.state() == "requesting_forwards"; }, 2500ms));
  CHECK(holdfast.tunnel()["attempt"] == 1);
  relay.options() = {};
  relay.restart();
  CHECK(holdfast.wait_for_up());
}

TEST_CASE("permitlisten of exactly this port is enough") {
  const std::uint16_t port = free_port();
  SshdOptions options;
  options.authorized_keys = {"restrict,port-forwarding,permitlisten=\"localhost:" + std::to_string(port) + "\" " +
                             public_key(client_key())};
  const Sshd relay(options);
  const TargetServer target(echo());
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());
  CHECK(echoes(port));
}
