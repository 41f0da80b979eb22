// A relay whose sshd can't look localhost up: it grants the listener, and can't be asked for it by that name.
#include <doctest/doctest.h>

#include <string>

#include "scenario.hpp"
#include "support/dropbear.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast::test;

namespace {

SshdOptions without_localhost() {
  SshdOptions options;
  options.knows_localhost = false;
  return options;
}

/// The listener and what docs/relay.md permits beside it, under the name only.
SshdOptions permitting_only(std::uint16_t port) {
  const std::string listener = "\"localhost:" + std::to_string(port) + "\"";
  SshdOptions options = without_localhost();
  options.authorized_keys = {"permitlisten=" + listener + ",permitopen=" + listener + " " + public_key(client_key())};
  return options;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

/// Proof after proof says this, and the session lives on.
void check_proofs(const Holdfast& holdfast, const std::string& result) {
  int proofs = 0;
  double age = 0;
  CHECK(holdfast.wait_for([&](const Json& now) {
    const Json& proof = now["forwards"][0]["proof"];
    if (proof.is_null()) return false;
    REQUIRE(proof["result"] == result);
    REQUIRE(now["attempt"] == 1);
    if (const double before = std::exchange(age, proof["age_seconds"].get<double>()); age < before) ++proofs;
    return proofs == 3;
  }));
  CHECK(holdfast.command({"health"}).status.code == 0);
  CHECK(holdfast.tunnel()["last_error"].is_null());
}

/// The tunnel's session went through `network`, which is frozen, and the program is killed. How long until it is up.
std::chrono::milliseconds after_a_power_cut(Holdfast& holdfast, TcpProxy& network, const Tunnel& direct) {
  network.freeze();
  holdfast.write_config({direct});
  const Stopwatch watch;
  holdfast.crash_and_start();
  REQUIRE(holdfast.wait_for_up());
  return watch.elapsed();
}

Tunnel through(const TcpProxy& network, Tunnel tunnel) {
  tunnel.set("port", std::to_string(network.port())).set("strict_host_key_checking", "accept-new").known_hosts = "";
  return tunnel;
}

}  // namespace

TEST_CASE("the path is verified by the address, after one look at the name, and the session lives on") {
  const Sshd relay(without_localhost());
  const TargetServer target(greet_then_echo("hello\n"));
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("verify_interval", "1"));
  check_proofs(holdfast, "verified");
  CHECK(count(relay.log(), "connect_to localhost: unknown host") == 1);
}

TEST_CASE("where only the name is permitted the path can't be verified: told with a remedy, and no sign of trouble") {
  const std::uint16_t port = free_port();
  const Sshd relay(permitting_only(port));
  const TargetServer target(greet_then_echo("hello\n"));
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("verify_interval", "1"));
  check_proofs(holdfast, "lookup_failed");
  const std::string status = holdfast.command({"status"}).output;
  CHECK(status.find("held, can't be verified") != std::string::npos);
  CHECK(status.find("the relay can't look up localhost (Name or service not known)") != std::string::npos);
  CHECK(status.find("permitopen=\"127.0.0.1:PORT\"") != std::string::npos);
  CHECK(Socket::connect_tcp("127.0.0.1", port).receive_until("\n") ==
        "hello\n");  // a visitor gets through all the same
}

TEST_CASE("after a power cut the stale listener is evicted within seconds, whatever of it can be looked at") {
  const std::uint16_t port = free_port();
  SshdOptions options;
  SUBCASE("the address") {
    options = without_localhost();
  }
  SUBCASE("nothing: only the name is permitted") {
    options = permitting_only(port);
  }
  const Sshd relay(options);
  const TargetServer target(echo());
  const Tunnel direct = Tunnel::to(relay).forward(to_local(port, target.port()));
  TcpProxy network(relay.port());
  Holdfast holdfast(through(network, direct));
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["up"] == true && now["lease"] == "ready"; }));
  CHECK(after_a_power_cut(holdfast, network, direct) <= 7000ms + slack);
  CHECK(echoes(port));
  CHECK(holdfast.tunnel()["attempt"] == 1);
}

TEST_CASE("a listener that the rules forbid is still said to be that") {
  SshdOptions options = without_localhost();
  options.authorized_keys = {"permitlisten=\"localhost:1\" " + public_key(client_key())};
  const Sshd relay(options);
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(free_port(), 1)));
  REQUIRE(holdfast.wait_for_failure("forward_refused"));
  CHECK(holdfast.tunnel()["last_error"]["detail"] == "nobody listens there, so the relay's rules forbid it");
}

TEST_CASE(
    "Dropbear: verified by the address; after a power cut the port is held by a dead session, and had when free") {
  const Dropbear relay({}, {}, false);
  const TargetServer target(greet_then_echo("hello\n"));
  const std::uint16_t port = free_port();
  const Tunnel direct =
      Tunnel::to(relay).forward(to_local(port, target.port())).set("verify_interval", "1").set("lease", "no");
  TcpProxy network(relay.port());
  Holdfast holdfast(through(network, direct));
  check_proofs(holdfast, "verified");
  network.freeze();
  holdfast.write_config({direct});
  holdfast.crash_and_start();
  REQUIRE(holdfast.wait_for_failure("listener_held_stale"));
  network.cut(true);
  REQUIRE(holdfast.wait_for_up());
  CHECK(holdfast.wait_for([](const Json& now) { return now["forwards"][0]["proof"]["result"] == "verified"; }));
}
