// What is no row of a table.
#include <doctest/doctest.h>
#include <sched.h>
#include <unistd.h>

#include <regex>

#include "integration/tunnel/scenario.hpp"
#include "relays/programs.hpp"
#include "relays/row.hpp"
#include "support/dropbear.hpp"

using namespace holdfast::test;

// docs/decisions/0008-the-first-listener-is-asked-for-ahead.md
TEST_CASE("a relay that falsely calls itself OpenSSH is asked in the ordinary order after the first session") {
  if (!installed({HOLDFAST_GO_RELAY})) return;
  std::string early;
  SUBCASE("it drops what comes before the login") {
    early = "drop";
  }
  SUBCASE("it hangs up on it") {
    early = "hangup";
  }
  RelayProgram relay({HOLDFAST_GO_RELAY, "-version", "SSH-2.0-OpenSSH_9.9", "-early", early});
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())).set("connect_timeout", "2"));
  CHECK(wait_until([&] { return relay.log().find("asked before the login: tcpip-forward") != std::string::npos; }));
  REQUIRE(holdfast.wait_for_up());
  CHECK(holdfast.tunnel()["attempt"] == 2);
  CHECK(echoes(port));

  // And so it stays.
  REQUIRE(holdfast.command({"reconnect", "relay"}).status.code == 0);
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"] == 3 && now["up"] == true; }));
  CHECK(echoes(port));
}

TEST_CASE("HAProxy ends a tunnel whose keepalives are rarer than its patience, and no other") {
  if (!installed({"haproxy"})) return;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const auto through = [&](const Behind& relay) {
    return Tunnel::to(relay).forward(to_local(port, target.port())).set("verify_interval", "0");
  };
  const auto stays = [](const Holdfast& holdfast) {
    return holdfast.wait_for_up() &&
           holds_for([&] { return holdfast.tunnel()["up"] == true && holdfast.tunnel()["attempt"] == 1; }, 5000ms);
  };
  SUBCASE("rarer") {
    const Behind relay(haproxy("2s"));
    const Holdfast holdfast(through(relay));
    REQUIRE(holdfast.wait_for([](const Json& now) { return now["sessions_established"] == 2; }));
    CHECK(holdfast.cause() == "connection_lost");
  }
  SUBCASE("more often") {
    const Behind relay(haproxy("2s"));
    CHECK(stays(Holdfast(through(relay).set("server_alive_interval", "1"))));
  }
  SUBCASE("rarer, and timeout tunnel is long") {
    const Behind relay(haproxy("2s", "timeout tunnel 1h"));
    CHECK(stays(Holdfast(through(relay))));
  }
}

TEST_CASE("a relay that never asks lets go when its kernel gives up what the knock made it send") {
  if (::geteuid() != 0) return skip("only root can cut a connection on its way");
  REQUIRE(::unshare(CLONE_NEWNET) == 0);
  run_checked({{"ip", "link", "set", "lo", "up"}});
  // 3 s; the kernel's 15 are a quarter of an hour.
  run_checked({{"sysctl", "-q", "net.ipv4.tcp_retries2=3"}});
  const Dropbear relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());

  const std::string socket =
      run_checked({{"ss", "-tnH", "state", "established", "dport = :" + std::to_string(relay.port())}});
  std::smatch from;
  REQUIRE(std::regex_search(socket, from, std::regex("127\\.0\\.0\\.1:([0-9]+)")));
  Command cut{{"nft", "-f", "-"}};
  cut.input = "table inet cut { chain both { type filter hook input priority 0; tcp sport " + from.str(1) +
              " drop; tcp dport " + from.str(1) + " drop; }; }\n";
  run_checked(cut);
  holdfast.crash_and_start();
  REQUIRE(holdfast.wait_for_failure("listener_held_stale"));
  const Stopwatch watch;
  REQUIRE(holdfast.wait_for_up());
  MESSAGE("a dead session was let go after " << watch.elapsed().count() << " ms");
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(echoes(port));
}
