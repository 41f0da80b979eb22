// What visitors at the listener, and others on the device, can do to the program.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <vector>

#include "scenario.hpp"

using namespace holdfast::test;

namespace {

/// The status line of the answer to a request that a visitor makes at the relay's port.
std::string answer(std::uint16_t port, const std::string& request) {
  Socket visitor = Socket::connect_tcp("127.0.0.1", port);
  visitor.send(request + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  return visitor.receive_until("\r\n");
}

}  // namespace

TEST_CASE("a visitor who is led to a socket of holdfast's own, by whatever path, commands nothing") {
  const Sshd relay;
  const TempDir dir;
  const std::uint16_t ports[] = {free_port(), free_port()};
  const Holdfast holdfast(Tunnel::to(relay)
                              .forward(std::to_string(ports[0]) + ":" + dir / "status")
                              .forward(std::to_string(ports[1]) + ":" + dir / "control"));
  std::filesystem::create_symlink(holdfast.socket_path(), dir / "status");
  std::filesystem::create_symlink(holdfast.control_path(), dir / "control");
  REQUIRE(holdfast.wait_for_up());
  for (const std::uint16_t port : ports) {
    CHECK(answer(port, "POST /v1/tunnels/relay/reconnect") == "HTTP/1.1 403 Forbidden\r\n");
    CHECK(answer(port, "POST /v1/reload") == "HTTP/1.1 403 Forbidden\r\n");
  }
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(holdfast.command({"reconnect", "relay"}).status.code == 0);
}

TEST_CASE("visitors leave descriptors for the status, and for the next session") {
  const Sshd relay;
  const TempDir dir;
  const TargetServer tcp(echo());
  const TargetServer local(echo(), Listener::unix_socket(dir / "target"));
  const std::uint16_t ports[] = {free_port(), free_port()};
  Holdfast holdfast(Tunnel::to(relay)
                        .set("max_connections", "1000")
                        .forward(to_local(ports[0], tcp.port()))
                        .forward(std::to_string(ports[1]) + ":" + dir / "target"));
  REQUIRE(holdfast.wait_for_up());
  const rlimit few{128, 128};
  REQUIRE(::prlimit(holdfast.pid(), RLIMIT_NOFILE, &few, nullptr) == 0);

  std::vector<Socket> visitors;
  for (int count = 0; count < 100; ++count) {
    for (const std::uint16_t port : ports) visitors.push_back(Socket::connect_tcp("127.0.0.1", port));
  }
  CHECK(holdfast.wait_for([](const Json& now) {
    const auto& forwards = now["forwards"];
    return forwards[0]["target_refused"] > 20 && forwards[1]["target_refused"] > 20;
  }));
  const Json forwards = holdfast.tunnel()["forwards"];
  CHECK(forwards[0]["connections"].get<int>() + forwards[1]["connections"].get<int>() > 20);
  for (int count = 0; count < 20; ++count) CHECK(holdfast.command({"health"}).status.code != 3);
  CHECK(holdfast.command({"reconnect", "relay"}).status.code == 0);
  CHECK(holdfast.wait_for([](const Json& now) { return now["attempt"] == 2 && now["up"] == true; }));
  visitors.clear();
  CHECK(wait_until([&] { return echoes(ports[0]) && echoes(ports[1]); }));
}

TEST_CASE("many visitors who begin to speak at the same moment are all heard, in the same session") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());
  rlimit descriptors{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &descriptors) == 0);
  descriptors.rlim_cur = descriptors.rlim_max;  // a shell's 1024 are too few for both ends
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &descriptors) == 0);
  std::vector<Socket> visitors;
  for (int count = 0; count < 800; ++count) visitors.push_back(Socket::connect_tcp("127.0.0.1", port));
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["forwards"][0]["connections"] == 800; }));
  for (Socket& visitor : visitors) visitor.send("anybody there?");
  for (Socket& visitor : visitors) REQUIRE(visitor.receive_exactly(14) == "anybody there?");
  CHECK(holdfast.tunnel()["attempt"] == 1);
}

TEST_CASE("a signal that nobody should send changes nothing") {
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());
  std::vector<int> strays{SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF,   SIGPOLL,
                          SIGPWR,  SIGPIPE, SIGXCPU, SIGXFSZ,   SIGSTKFLT, SIGRTMIN};
  for (int number = SIGRTMIN; number <= SIGRTMAX; ++number) strays.push_back(number);
  for (const int stray : strays) {
    CAPTURE(stray);
    holdfast.signal(stray);
    CHECK(echoes(port));
  }
  CHECK(holdfast.running());
  CHECK(holdfast.tunnel()["attempt"] == 1);
}
