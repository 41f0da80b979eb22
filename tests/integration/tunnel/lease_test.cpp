// The relay's side of a dead session: who ends it, who may not, and what is left of it.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "scenario.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast::test;

namespace {

/// The tunnel's session goes through `network`; a power cut is that frozen, and the program killed.
Tunnel through(const TcpProxy& network, Tunnel tunnel) {
  tunnel.set("port", std::to_string(network.port())).set("strict_host_key_checking", "accept-new").known_hosts = "";
  return tunnel;
}

std::size_t records(Sshd& relay) {
  const std::filesystem::path dir = relay.account().home() + "/.holdfast";
  std::error_code none_yet;
  const std::filesystem::directory_iterator all(dir, none_yet);
  return none_yet ? 0 : static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

/// The listener stands, and the script has written down whose it is.
bool wait_for_lease(const Holdfast& holdfast, Sshd& relay) {
  return holdfast.wait_for_up() && wait_until([&] { return records(relay) == 1; });
}

bool all_gone(const std::vector<pid_t>& processes) {
  return std::all_of(processes.begin(), processes.end(), [](pid_t pid) { return ::kill(pid, 0) != 0; });
}

/// What answers at the port.
std::string greeting(std::uint16_t port) {
  return Socket::connect_tcp("127.0.0.1", port).receive_until("\n");
}

}  // namespace

TEST_CASE("after a power cut the relay's stale listener is evicted, and nobody else's session is touched") {
  Sshd relay;  // with sshd's defaults: it would notice after two hours
  const TargetServer target(echo());
  const TargetServer others(greet_then_echo("other\n"));
  const std::uint16_t port = free_port();
  const std::uint16_t plain_port = free_port();
  const std::uint16_t neighbours_port = free_port();
  const Tunnel direct = Tunnel::to(relay).forward(to_local(port, target.port()));
  TcpProxy network(relay.port());
  Holdfast holdfast(through(network, direct));
  REQUIRE(wait_for_lease(holdfast, relay));
  const std::vector<pid_t> stale = relay.sessions();

  Process plain({relay.ssh_command({"-N", "-R", to_local(plain_port, others.port())})});
  const Holdfast neighbour(Tunnel::to(relay).forward(to_local(neighbours_port, others.port())));
  REQUIRE(neighbour.wait_for_up());
  REQUIRE(wait_until([&] { return is_listening(plain_port) && records(relay) == 2; }));

  network.freeze();
  holdfast.write_config({direct});
  const Stopwatch watch;
  holdfast.crash_and_start();
  REQUIRE(holdfast.wait_for_up());
  CHECK(watch.elapsed() <= 7000ms + slack);
  MESSAGE("a power cut was over after " << watch.elapsed().count() << " ms");
  CHECK(echoes(port));
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(wait_until([&] { return all_gone(stale); }));
  CHECK(wait_until([&] { return records(relay) == 2; }));

  CHECK(plain.running());
  CHECK(greeting(plain_port) == "other\n");
  CHECK(greeting(neighbours_port) == "other\n");
  CHECK(neighbour.tunnel()["attempt"] == 1);
}

TEST_CASE("a session that is no lease of ours keeps its port, and its end is noticed within seconds") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  std::optional<TargetServer> others;
  std::string cause;
  SUBCASE("its target speaks: held live") {
    others.emplace(greet_then_echo("other\n"));
    cause = "listener_held_live";
  }
  SUBCASE("its target waits for the caller: taken for stale, and spared all the same") {
    others.emplace(echo());
    cause = "listener_held_stale";
  }
  Process other({relay.ssh_command({"-N", "-R", to_local(port, others->port())})});
  REQUIRE(wait_until([&] { return is_listening(port); }));
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_failure(cause));
  CHECK(holds_for([&] { return other.running() && holdfast.cause() == cause; }, 3000ms));
  CHECK(holdfast.state() == "requesting_forwards");
  CHECK(others->accepted() == 1);  // knocked once, not with each question

  other.kill();
  REQUIRE(holdfast.wait_for_up("relay", 3000ms + slack));
  CHECK(echoes(port));
  CHECK(holdfast.tunnel()["attempt"] == 1);
}

TEST_CASE("a second holdfast of the same device is told that the living holder has its own name") {
  Sshd relay;
  const TargetServer target(greet_then_echo("here\n"));
  const Tunnel tunnel = Tunnel::to(relay).set("device_id", "site-17").forward(to_local(free_port(), target.port()));
  const Holdfast first(tunnel);
  REQUIRE(wait_for_lease(first, relay));
  const Holdfast second(tunnel);
  REQUIRE(second.wait_for_failure("listener_held_by_other_device"));
  const std::string holder = second.tunnel()["forwards"][0]["holder"];
  CHECK(holder == "site-17 (this device's own name)");
  CHECK(first.tunnel()["attempt"] == 1);
}

TEST_CASE("an account that runs no commands has a tunnel without a lease, and keepalives instead of heartbeats") {
  SshdOptions options;
  options.authorized_keys = {"command=\"echo not here\" " + public_key(client_key())};
  const std::string why = "the account runs no commands (not here)";
  Sshd relay(options);
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay)
                              .forward(to_local(port, target.port()))
                              .set("server_alive_interval", "1")
                              .set("server_alive_count_max", "2"));
  REQUIRE(holdfast.wait_for_up());
  CHECK_MESSAGE(wait_until([&] { return holdfast.log().find("no lease on the relay: " + why) != std::string::npos; }),
                holdfast.log());
  const auto received = holdfast.tunnel()["bytes_received"].get<std::uint64_t>();
  CHECK(holds_for([&] { return holdfast.tunnel()["up"] == true; }, 4500ms));
  CHECK(holdfast.tunnel()["bytes_received"].get<std::uint64_t>() >= received + std::uint64_t{3} * 28);
  CHECK_FALSE(holdfast.tunnel()["keepalive_rtt_seconds"].is_null());
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(echoes(port));
  CHECK(records(relay) == 0);
}

TEST_CASE("a port that the relay chooses is read although a lease is opened too") {
  Sshd relay;
  const TargetServer target(echo());
  for (int start = 0; start < 5; ++start) {
    const Holdfast holdfast(Tunnel::to(relay).forward(to_local(0, target.port())));
    REQUIRE(wait_for_lease(holdfast, relay));
    CHECK(holdfast.tunnel()["attempt"] == 1);
    CHECK(echoes(holdfast.tunnel()["forwards"][0]["bound_port"].get<std::uint16_t>()));
  }
}

TEST_CASE("a device that never comes back leaves nothing: the relay's guard ends its session and itself") {
  Sshd relay;
  const std::uint16_t port = free_port();
  TcpProxy network(relay.port());
  Holdfast holdfast(through(network, Tunnel::to(relay)
                                         .forward(to_local(port, 1))
                                         .set("server_alive_interval", "1")
                                         .set("server_alive_count_max", "1")));
  REQUIRE(wait_for_lease(holdfast, relay));
  REQUIRE_FALSE(relay.commands().empty());
  const Stopwatch watch;
  network.freeze();
  holdfast.crash();
  CHECK(wait_until([&] { return !is_listening(port); }, 2000ms + slack));
  MESSAGE("a silence of 2 s was over after " << watch.elapsed().count() << " ms");
  CHECK(wait_until([&] { return relay.sessions().empty(); }));
  CHECK(wait_until([&] { return relay.commands().empty(); }));
  CHECK(records(relay) == 0);
}

TEST_CASE("an idle tunnel outlives many of the guard's periods") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay)
                              .forward(to_local(port, target.port()))
                              .set("server_alive_interval", "1")
                              .set("server_alive_count_max", "1"));
  REQUIRE(wait_for_lease(holdfast, relay));
  const std::vector<pid_t> session = relay.sessions();
  CHECK(holds_for([&] { return holdfast.tunnel()["up"] == true && records(relay) == 1; }, 11000ms));
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(relay.sessions() == session);
  CHECK_FALSE(relay.commands().empty());  // the guard still stands
  CHECK(echoes(port));
}

TEST_CASE("SIGTERM leaves no listener, no record and no process of the script") {
  Sshd relay;
  const std::uint16_t port = free_port();
  Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, 1)));
  REQUIRE(wait_for_lease(holdfast, relay));
  holdfast.signal(SIGTERM);
  REQUIRE(holdfast.wait() == success);
  CHECK_FALSE(is_listening(port));
  CHECK(wait_until([&] { return relay.commands().empty(); }));
  CHECK(wait_until([&] { return relay.sessions().empty(); }));
  CHECK(records(relay) == 0);
}

TEST_CASE("a reconnect hands the lease over: one record, one script") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(wait_for_lease(holdfast, relay));
  const std::vector<pid_t> before = relay.commands();
  REQUIRE(holdfast.command({"reconnect", "relay"}).status.code == 0);
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"] == 2 && now["up"] == true; }));
  CHECK(wait_until([&] { return all_gone(before); }));
  CHECK(wait_until([&] { return records(relay) == 1 && relay.sessions().size() == 2; }));
  CHECK(echoes(port));
}
