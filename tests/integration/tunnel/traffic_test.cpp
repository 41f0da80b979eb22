#include <doctest/doctest.h>

#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "scenario.hpp"
#include "support/http_unix.hpp"
#include "support/pattern.hpp"
#include "support/skip.hpp"

using namespace holdfast::test;

TEST_CASE("after the first connect the relay listens, the status says so, and bytes go there and back") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());
  CHECK(is_listening(port));

  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  caller.send("hello");
  CHECK(caller.receive_exactly(5) == "hello");
  Json tunnel = holdfast.tunnel();
  CHECK(tunnel["state"] == "established");
  CHECK(tunnel["relay"] == relay.host() + ":" + std::to_string(relay.port()));
  CHECK(tunnel["address"] == "127.0.0.1:" + std::to_string(relay.port()));
  CHECK(tunnel["attempt"] == 1);
  CHECK(tunnel["sessions_established"] == 1);
  CHECK(tunnel["last_error"].is_null());
  CHECK(tunnel["next_retry_seconds"].is_null());
  CHECK(tunnel["cipher"].is_string());
  CHECK(tunnel["bytes_received"].get<int>() > 1000);
  CHECK(tunnel["bytes_sent"].get<int>() > 1000);
  const Json forward = tunnel["forwards"][0];
  CHECK(forward["listener"] == "localhost:" + std::to_string(port));
  CHECK(forward["target"] == "127.0.0.1:" + std::to_string(target.port()));
  CHECK(forward["state"] == "held");
  CHECK(forward["bound_port"] == port);
  CHECK(forward["connections"] == 1);
  CHECK(forward["accepted"] == 1);

  caller.close();
  CHECK(holdfast.wait_for([](const Json& now) { return now["forwards"][0]["connections"] == 0; }));
  CHECK(wait_until([&] { return target.open() == 0; }));
  CHECK(http_request(holdfast.socket_path(), "GET", "/readyz").status == 200);
}

TEST_CASE("ssh through the forward reaches the target's sshd, and brings a megabyte there and back") {
  const Sshd relay;
  SshdOptions device_options;
  device_options.host_key_set = 1;
  const Sshd device(device_options);
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, device.port())));
  REQUIRE(holdfast.wait_for_up());

  const std::string megabyte = Pattern(1).next(1 << 20);
  Command ssh{device.ssh_command(
      {"-p", std::to_string(port), "-o", "HostKeyAlias=[127.0.0.1]:" + std::to_string(device.port())},
      "cat; echo done >&2")};
  ssh.input = megabyte;
  const Finished finished = run(ssh);
  CHECK_MESSAGE(finished.status == success, finished.errors);
  CHECK(finished.output == megabyte);
  CHECK(finished.errors == "done\n");
  CHECK(device.log_has("Accepted publickey for tunnel"));
}

TEST_CASE("two hundred connections at once each get their own bytes back") {
  constexpr std::size_t count = 200;
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());

  std::vector<Socket> callers;
  for (std::size_t i = 0; i < count; ++i) {
    callers.push_back(Socket::connect_tcp("127.0.0.1", port, 60s));
    callers.back().send(Pattern(i).next(10000));
  }
  std::size_t right = 0;
  for (std::size_t i = 0; i < count; ++i) {
    right += Pattern(i).matches(callers[i].receive_exactly(10000)) ? 1U : 0U;
  }
  CHECK(right == count);
  CHECK(holdfast.tunnel()["forwards"][0]["connections"] == count);
  callers.clear();
  CHECK(holdfast.wait_for([](const Json& now) { return now["forwards"][0]["connections"] == 0; }));
  CHECK(holdfast.tunnel()["forwards"][0]["accepted"] == count);
  CHECK(holdfast.tunnel()["attempt"] == 1);
}

TEST_CASE("a caller that has finished sending still receives") {
  const Sshd relay;
  const TargetServer target(sink());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  caller.send(std::string(300000, 'x'));
  caller.finish_sending();
  CHECK(caller.receive_all() == "300000");
}

TEST_CASE("a target that has finished sending still receives") {
  const Sshd relay;
  std::mutex mutex;
  std::string received;
  const TargetServer target([&](Socket& socket) {
    socket.send("that is all");
    socket.finish_sending();
    const std::string all = socket.receive_all();
    const std::lock_guard lock(mutex);
    received += all;  // the proof's connection, which sends nothing, may end last
  });
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  CHECK(caller.receive_all() == "that is all");
  caller.send("and this is mine");
  caller.finish_sending();
  CHECK(wait_until([&] {
    const std::lock_guard lock(mutex);
    return received == "and this is mine";
  }));
}

TEST_CASE("a caller's reset ends the target's connection, and a target's reset the caller's") {
  const Sshd relay;
  const TargetServer target(echo());
  const TargetServer rude([](Socket& socket) {
    socket.receive(1);
    socket.reset();
  });
  const std::uint16_t port = free_port();
  const std::uint16_t rude_port = free_port();
  const Holdfast holdfast(
      Tunnel::to(relay).forward(to_local(port, target.port())).forward(to_local(rude_port, rude.port())));
  REQUIRE(holdfast.wait_for_up());

  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  caller.send("x");
  REQUIRE(caller.receive_exactly(1) == "x");
  caller.reset();
  CHECK(wait_until([&] { return target.open() == 0; }));

  Socket victim = Socket::connect_tcp("127.0.0.1", rude_port);
  victim.send("x");
  CHECK(victim.closed_by_peer());
  CHECK(holdfast.wait_for([](const Json& now) {
    return now["forwards"][0]["connections"] == 0 && now["forwards"][1]["connections"] == 0;
  }));
}

TEST_CASE("a slow reader holds up its own connection only, and nothing is lost") {
  constexpr std::size_t size = 50'000'000;
  const Sshd relay;
  const TargetServer spring(source(5, size));
  const TargetServer target(echo());
  const std::uint16_t slow_port = free_port();
  const std::uint16_t port = free_port();
  const Holdfast holdfast(
      Tunnel::to(relay).forward(to_local(slow_port, spring.port())).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());
  Socket slow = Socket::connect_tcp("127.0.0.1", slow_port, 60s);
  std::string first = slow.receive_exactly(1);
  std::uint64_t sent = 0;
  // It has come to a standstill when a while goes by without a byte.
  CHECK(wait_until([&] {
    const std::uint64_t before = std::exchange(sent, holdfast.tunnel()["bytes_sent"].get<std::uint64_t>());
    return before == sent && sent > 0 && holds_for([&] { return holdfast.tunnel()["bytes_sent"] == sent; }, 200ms);
  }));
  CHECK(sent < size);
  CHECK(echoes(port));
  CHECK((first + slow.receive_all()) == Pattern(5).next(size));
}

TEST_CASE("port 0 lets the relay choose, and the status says what it chose") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay)
                              .forward(to_local(port, target.port()))
                              .forward(to_local(0, target.port()))
                              .forward("127.0.0.1:" + to_local(0, target.port())));
  REQUIRE(holdfast.wait_for_up());
  const Json forwards = holdfast.tunnel()["forwards"];
  CHECK(forwards[0]["bound_port"] == port);
  CHECK(forwards[1]["bound_port"] != forwards[2]["bound_port"]);
  for (const Json& forward : forwards) {
    CHECK(echoes(forward["bound_port"].get<std::uint16_t>()));
    CHECK(forward["state"] == "held");
  }
}

TEST_CASE("an IPv6 listener, an IPv6 target, and an IPv6 relay") {
  if (skipped_without_ipv6()) return;
  SshdOptions options;
  options.config = {"GatewayPorts clientspecified"};
  options.ipv6 = true;
  const Sshd relay(options);
  const TargetServer target(echo(), Listener::tcp(0, true));
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay);
  tunnel.set("host_name", "'::1'").forward("[::1]:" + std::to_string(port) + ":[::1]:" + std::to_string(target.port()));
  tunnel.known_hosts = relay.known_hosts();
  for (std::size_t at = 0; (at = tunnel.known_hosts.find("127.0.0.1", at)) != std::string::npos;) {
    tunnel.known_hosts.replace(at, 9, "::1");
  }
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for_up());
  CHECK(echoes(port, "six\n", "::1"));
  CHECK_THROWS(Socket::connect_tcp("127.0.0.1", port));
  CHECK(holdfast.tunnel()["forwards"][0]["listener"] == "[::1]:" + std::to_string(port));
  CHECK(holdfast.tunnel()["relay"] == "[::1]:" + std::to_string(relay.port()));
}

TEST_CASE("a target on a Unix socket") {
  const Sshd relay;
  const TempDir dir;
  const TargetServer target(greet_then_echo("hello\n"), Listener::unix_socket(dir / "target"));
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(std::to_string(port) + ":" + dir / "target"));
  REQUIRE(holdfast.wait_for_up());
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  CHECK(caller.receive_until("\n") == "hello\n");
  CHECK(holdfast.tunnel()["forwards"][0]["target"] == dir / "target");
}

TEST_CASE("when the target is down the caller is told at once, it is counted, and the tunnel stays") {
  const Sshd relay;
  const std::uint16_t target_port = free_port();
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target_port)));
  REQUIRE(holdfast.wait_for_up());
  const Stopwatch watch;
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  CHECK(caller.closed_by_peer());
  CHECK(watch.elapsed() < slack);
  CHECK(holdfast.wait_for([](const Json& now) { return now["forwards"][0]["target_refused"] == 1; }));
  CHECK(holdfast.tunnel()["forwards"][0]["connections"] == 0);
  CHECK(holdfast.tunnel()["up"] == true);

  const TargetServer target(echo(), Listener::tcp(target_port));
  CHECK(echoes(port));
  CHECK(holdfast.tunnel()["attempt"] == 1);
}

TEST_CASE("a congestion control that the kernel does not grant is told of once, and the tunnel comes up without it") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const std::string complaint = "congestion_control: the kernel does not grant 'nonesuch'";
  Tunnel tunnel = Tunnel::to(relay).set("congestion_control", "nonesuch").forward(to_local(port, target.port()));
  {
    const Holdfast holdfast(tunnel);
    REQUIRE(holdfast.wait_for_up());
    REQUIRE(holdfast.command({"reconnect", "relay"}).status.code == 0);
    REQUIRE(holdfast.wait_for([](const Json& now) { return now["sessions_established"] == 2 && now["up"] == true; }));
    CHECK(echoes(port));
    const std::string log = holdfast.log();
    CHECK(log.find(complaint) != std::string::npos);
    CHECK(log.find(complaint) == log.rfind(complaint));
  }
  const Holdfast holdfast(tunnel.set("congestion_control", "reno"));  // is built in, and allowed to all
  REQUIRE(holdfast.wait_for_up());
  CHECK(holdfast.log().find("congestion_control") == std::string::npos);
}

TEST_CASE("a target that talks for long, in small pieces and large ones, keeps its session") {
  constexpr auto long_enough = 7s;  // longer than a relay that sends for nothing is borne with
  std::string piece;
  SUBCASE("a console") {
    piece = std::string(50, 'x');
  }
  SUBCASE("as fast as it can") {
    piece = std::string(256 * 1024, 'x');
  }
  const Sshd relay;
  const TargetServer target([&](Socket& socket) {
    for (;;) {
      socket.send(piece);
      if (piece.size() < 100) socket.receive_exactly(1);  // so that pieces do not become one
    }
  });
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("verify_interval", "0"));
  REQUIRE(holdfast.wait_for_up());
  Socket visitor = Socket::connect_tcp("127.0.0.1", port);
  for (const Stopwatch watch; watch.elapsed() < long_enough;) {
    REQUIRE_FALSE(visitor.receive().empty());
    if (piece.size() < 100) visitor.send("+");
  }
  CHECK(holdfast.tunnel()["sessions_established"] == 1);
}
