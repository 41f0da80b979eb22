#include <doctest/doctest.h>
#include <sys/resource.h>

#include <csignal>
#include <vector>

#include "scenario.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast::test;

TEST_CASE("SIGTERM takes the listener down first, lets connections finish, and leaves nothing on the relay") {
  int number = SIGTERM;
  SUBCASE("SIGTERM") {}
  SUBCASE("SIGINT") {
    number = SIGINT;
  }
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("drain_timeout", "30"));
  REQUIRE(holdfast.wait_for_up());
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  caller.send("x");
  REQUIRE(caller.receive_exactly(1) == "x");

  holdfast.signal(number);
  REQUIRE(wait_until([&] { return !is_listening(port); }));
  CHECK(holdfast.running());
  CHECK(holdfast.state() == "draining");
  caller.send("still here");
  CHECK(caller.receive_exactly(10) == "still here");
  caller.finish_sending();
  CHECK(caller.receive_all().empty());
  CHECK(holdfast.wait(slack) == success);
  CHECK_FALSE(is_listening(port));
  CHECK(wait_until([&] { return relay.sessions().empty(); }));
  CHECK(relay.log_has("Received disconnect from 127.0.0.1"));  // a goodbye, not a broken connection
}

TEST_CASE("the listeners are gone before the process is") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::vector ports{free_port(), free_port(), free_port()};
  Tunnel tunnel = Tunnel::to(relay);
  for (const std::uint16_t port : ports) {
    tunnel.forward(to_local(port, target.port()));
  }
  Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for_up());
  holdfast.signal(SIGTERM);
  REQUIRE(holdfast.wait() == success);
  for (const std::uint16_t port : ports) {
    CHECK_FALSE(is_listening(port));
  }
}

TEST_CASE("connections that do not finish are cut when the drain is over") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("drain_timeout", "1"));
  REQUIRE(holdfast.wait_for_up());
  std::vector<Socket> callers;
  for (int i = 0; i < 5; ++i) {
    callers.push_back(Socket::connect_tcp("127.0.0.1", port));
    callers.back().send("x");
    REQUIRE(callers.back().receive_exactly(1) == "x");
  }
  const Stopwatch watch;
  holdfast.signal(SIGTERM);
  CHECK(holdfast.wait() == success);
  CHECK_FALSE(is_listening(port));
  CHECK(watch.elapsed() >= 900ms);
  CHECK(watch.elapsed() <= 1000ms + slack);
  for (Socket& caller : callers) {
    CHECK(caller.closed_by_peer());
  }
  CHECK(wait_until([&] { return target.open() == 0; }));
}

TEST_CASE("a second signal ends at once") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("drain_timeout", "60"));
  REQUIRE(holdfast.wait_for_up());
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  caller.send("x");
  REQUIRE(caller.receive_exactly(1) == "x");
  holdfast.signal(SIGTERM);
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["state"] == "draining"; }));
  const Stopwatch watch;
  holdfast.signal(SIGTERM);
  CHECK(holdfast.wait() == success);
  CHECK(watch.elapsed() < slack);
  CHECK(caller.closed_by_peer());
  CHECK(wait_until([&] { return !is_listening(port); }));
}

TEST_CASE("SIGTERM ends a tunnel that waits, that opens, and whose relay no longer answers") {
  Sshd relay;
  const std::uint16_t port = free_port();
  TcpProxy network(relay.port());
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, 1));
  tunnel.set("strict_host_key_checking", "accept-new").set("drain_timeout", "1");
  std::chrono::milliseconds limit = slack;
  std::optional<Holdfast> holdfast;
  SUBCASE("waits") {
    relay.stop();
    tunnel.set("backoff", "{network: {first: 3600, cap: 3600}}");
    holdfast.emplace(tunnel);
    REQUIRE(holdfast->wait_for([](const Json& now) { return now["state"] == "backing_off"; }));
  }
  SUBCASE("opens") {
    relay.freeze();
    tunnel.set("connect_timeout", "60");
    holdfast.emplace(tunnel);
    REQUIRE(holdfast->wait_for([](const Json& now) { return now["phase"] == "banner"; }));
  }
  SUBCASE("relay frozen") {
    holdfast.emplace(tunnel);
    REQUIRE(holdfast->wait_for_up());
    relay.freeze();
    limit += 1000ms + 5000ms;  // the drain, and the goodbye that nobody hears
  }
  SUBCASE("network gone") {
    tunnel.known_hosts = "";
    tunnel.set("port", std::to_string(network.port()));
    holdfast.emplace(tunnel);
    REQUIRE(holdfast->wait_for_up());
    network.freeze();
    limit += 1000ms + 5000ms;
  }
  const Stopwatch watch;
  holdfast->signal(SIGTERM);
  CHECK(holdfast->wait() == success);
  CHECK(watch.elapsed() <= limit);
}

TEST_CASE("out of descriptors it refuses connections, keeps the tunnel, and takes the next ones when it can") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());
  rlimit few{60, 60};
  REQUIRE(::prlimit(holdfast.pid(), RLIMIT_NOFILE, &few, nullptr) == 0);
  std::vector<Socket> callers;
  std::size_t served = 0;
  std::size_t turned_away = 0;
  for (int i = 0; i < 60; ++i) {
    callers.push_back(Socket::connect_tcp("127.0.0.1", port));
    try {
      callers.back().send("x");
      ++(callers.back().receive_exactly(1) == "x" ? served : turned_away);
    } catch (const std::exception&) {
      ++turned_away;
    }
  }
  CHECK(served > 10);
  CHECK(turned_away > 10);
  callers.clear();
  REQUIRE(wait_until([&] { return target.open() == 0; }));
  CHECK(wait_until([&] { return echoes(port); }));
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(holdfast.tunnel()["up"] == true);
}
