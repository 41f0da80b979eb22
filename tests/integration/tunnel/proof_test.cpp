// A held listener is worth something only if it leads to its target: the proof walks that way and tells.
#include <doctest/doctest.h>
#include <netdb.h>
#include <sys/socket.h>

#include <atomic>
#include <optional>
#include <string>

#include "scenario.hpp"
#include "support/skip.hpp"

using namespace holdfast::test;

namespace {

Json proof(const Holdfast& holdfast) {
  return holdfast.tunnel()["forwards"][0]["proof"];
}

bool wait_for_result(const Holdfast& holdfast, const std::string& result) {
  return holdfast.wait_for([&](const Json& now) {
    const Json& found = now["forwards"][0]["proof"];
    return !found.is_null() && found["result"] == result;
  });
}

/// Whoever connects to localhost is led to ::1 first, here and at a relay on this machine. /etc/hosts decides.
bool localhost_is_ipv6() {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo("localhost", nullptr, &hints, &found) != 0) return false;
  const bool ipv6 = found->ai_family == AF_INET6;
  ::freeaddrinfo(found);
  return ipv6;
}

/// Every counter of a visitor is untouched.
void check_no_visitor(const Holdfast& holdfast) {
  const Json forward = holdfast.tunnel()["forwards"][0];
  CHECK(forward["accepted"] == 0);
  CHECK(forward["connections"] == 0);
  CHECK(forward["target_refused"] == 0);
}

/// A target that remembers what came to it.
struct Witness {
  std::string heard;  ///< of the last connection, complete once `ended` counts it
  std::atomic<int> ended = 0;
  std::string greeting;
  TargetServer server{[this](Socket& socket) {
    if (!greeting.empty()) socket.send(greeting);
    heard = socket.receive_all();
    ++ended;
  }};

  explicit Witness(std::string words) : greeting(std::move(words)) {}
};

}  // namespace

TEST_CASE("a target that speaks first is verified through the relay, and sees a connection without a byte") {
  const Sshd relay;
  Witness target("SSH-2.0-target\r\n");
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.server.port())));
  REQUIRE(wait_for_result(holdfast, "verified"));
  CHECK(proof(holdfast)["failures"] == 0);
  CHECK(proof(holdfast)["error"].is_null());
  CHECK(proof(holdfast)["age_seconds"].get<double>() < 10);
  REQUIRE(wait_until([&] { return target.ended == 1; }));
  CHECK(target.heard.empty());
  check_no_visitor(holdfast);
  CHECK(holdfast.command({"health"}).status.code == 0);
  CHECK(holdfast.command({"status"}).output.find("held, verified ") != std::string::npos);
}

TEST_CASE("the relay's own sshd as the target is verified") {
  const Sshd relay;
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, relay.port())));
  CHECK(wait_for_result(holdfast, "verified"));
}

TEST_CASE("a target that waits for us to speak first is connected, and sees a connection without a byte") {
  const Sshd relay;
  Witness target("");
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.server.port())));
  REQUIRE(wait_for_result(holdfast, "connected"));
  REQUIRE(wait_until([&] { return target.ended == 1; }));
  CHECK(target.heard.empty());
  check_no_visitor(holdfast);
  CHECK(holdfast.command({"health"}).status.code == 0);
}

TEST_CASE("a target that is down is critical though the port is held, and is verified soon after it is back") {
  const Sshd relay;
  const std::uint16_t target_port = free_port();
  const std::uint16_t port = free_port();
  const Holdfast holdfast(
      Tunnel::to(relay).forward(to_local(port, target_port)).set("verify_interval", "1").set("readiness", "verified"));
  REQUIRE(wait_for_result(holdfast, "target_down"));
  const Json error = proof(holdfast)["error"];
  CHECK(error["cause"] == "target_down");
  CHECK(error["subject"] == "127.0.0.1:" + std::to_string(target_port));
  CHECK(error["remedy"] != "");
  CHECK(holdfast.tunnel()["up"] == true);
  CHECK(holdfast.tunnel()["ready"] == false);
  CHECK(is_listening(port));
  CHECK(holdfast.command({"health"}).status.code == 2);
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["forwards"][0]["proof"]["failures"].get<int>() >= 3; }));
  check_no_visitor(holdfast);

  const TargetServer target(greet_then_echo("hello\n"), Listener::tcp(target_port));
  REQUIRE(wait_for_result(holdfast, "verified"));
  CHECK(holdfast.tunnel()["ready"] == true);
  CHECK(holdfast.tunnel()["attempt"] == 1);  // no reconnect would have helped
  CHECK(holdfast.command({"health"}).status.code == 0);
}

TEST_CASE("a relay that lets us open no connection can't be asked: no failure, and asked once") {
  SshdOptions options;
  SUBCASE("permitopen none") {
    options.config = {"PermitOpen none"};
  }
  SUBCASE("AllowTcpForwarding remote") {
    options.config = {"AllowTcpForwarding remote"};
  }
  const Sshd relay(options);
  const TargetServer target(greet_then_echo("hello\n"));
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("verify_interval", "1"));
  REQUIRE(wait_for_result(holdfast, "not_permitted"));
  CHECK(holdfast.command({"health"}).status.code == 0);
  CHECK(holdfast.tunnel()["last_error"].is_null());
  const double age = proof(holdfast)["age_seconds"];
  CHECK(holds_for([&] { return proof(holdfast)["age_seconds"].get<double>() >= age; }, 2500ms));  // of the first
  CHECK(echoes(port) == false);  // "hello" comes first: a visitor gets through all the same
}

TEST_CASE("a listener that is granted on one address alone, where somebody has the one asked first, is not ours") {
  if (skipped_without_ipv6()) return;
  const Sshd relay;
  const TargetServer target(greet_then_echo("ours\n"));
  const std::uint16_t port = free_port();
  Witness thief_says("theirs\n");
  std::optional<TargetServer> thief;
  std::string heard;
  std::atomic<int> heard_to_the_end = 0;
  thief.emplace(
      [&](Socket& socket) {
        socket.send("theirs\n");
        heard += socket.receive_all();
        ++heard_to_the_end;
      },
      Listener::tcp(port, localhost_is_ipv6()));
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("verify_interval", "1"));
  REQUIRE(wait_for_result(holdfast, "path_broken"));
  CHECK(proof(holdfast)["error"]["cause"] == "path_broken");
  REQUIRE(wait_until([&] { return heard_to_the_end > 0; }));
  CHECK(heard.empty());  // a stranger receives nothing of ours
}
