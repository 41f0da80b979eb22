// What ends sessions, or the lease's channel on them, after the same time again and again.
#include <doctest/doctest.h>

#include <string>

#include "scenario.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast::test;

namespace {

std::string health_of(const Holdfast& holdfast) {
  return holdfast.status()["health"];
}

bool knows(const Json& tunnel, const std::string& timeout) {
  const Json& known = tunnel["relays"][0]["timeouts"];
  return known.size() == 1 && known[0]["of"] == timeout;
}

}  // namespace

TEST_CASE("a load balancer that closes idle connections is found out, told, and outlived by more heartbeats") {
  std::string lease;
  SUBCASE("with a lease") {
    lease = "yes";
  }
  SUBCASE("without") {
    lease = "no";
  }
  const Sshd relay;
  TcpProxy balancer(relay.port());
  balancer.close_idle_after(4s);
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, target.port())).set("lease", lease);
  tunnel.set("port", std::to_string(balancer.port())).set("strict_host_key_checking", "accept-new").known_hosts = "";
  const Holdfast holdfast(tunnel.set("server_alive_interval", "60").set("verify_interval", "0"));

  REQUIRE(holdfast.wait_for([](const Json& now) { return now["sessions_established"] == 4; }, "relay", 60s));
  const Json found = holdfast.tunnel();
  CHECK(found["last_error"]["cause"] == "idle_timeout");
  CHECK(found["last_error"]["detail"].get<std::string>().find("after 4.0 s of silence") != std::string::npos);
  CHECK(knows(found, "idle_connection"));
  CHECK(found["probe_period_seconds"] == 2.0);
  CHECK(health_of(holdfast) == "warning");
  CHECK(holds_for([&] { return holdfast.tunnel()["attempt"] == 4; }, 9000ms));
  const std::string now = holdfast.tunnel()["condition"];
  CHECK(now == "up, but lost 3 times in the last 10 min, the last time by idle timeout");
  CHECK(echoes(port));
}

TEST_CASE("a relay that ends unused sessions is found out, and each session is opened again at once") {
  const Sshd relay{{.config = {"UnusedConnectionTimeout 5"}}};
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, 1)).set("server_alive_interval", "60");
  SUBCASE("nothing holds it without a lease") {
    const Holdfast holdfast(tunnel.set("lease", "no").set("verify_interval", "0"));
    REQUIRE(holdfast.wait_for([](const Json& now) { return knows(now, "session"); }, "relay", 90s));
    CHECK(holdfast.cause() == "session_timeout");
    CHECK(holdfast.tunnel()["last_error"]["remedy"].get<std::string>().find("UnusedConnectionTimeout") !=
          std::string::npos);
    REQUIRE(holdfast.wait_for_up());
    CHECK(health_of(holdfast) == "warning");
    CHECK(holdfast.tunnel()["probe_period_seconds"] == 60.0);
  }
  SUBCASE("a lease does") {
    const Holdfast holdfast(tunnel.set("verify_interval", "0"));
    REQUIRE(holdfast.wait_for_up());
    CHECK(holds_for([&] { return holdfast.tunnel()["attempt"] == 1; }, 9000ms));
  }
}

TEST_CASE("without a lease the channel of a proof, which is kept, holds a session that sshd would end as unused") {
  const Sshd relay{{.config = {"UnusedConnectionTimeout 5"}}};
  const TargetServer target(greet_then_echo("hello"));
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(relay).forward(to_local(port, target.port())).set("server_alive_interval", "60");
  const Holdfast holdfast(tunnel.set("lease", "no"));
  REQUIRE(
      holdfast.wait_for([](const Json& now) { return now["sessions_established"] == 4 && now["up"]; }, "relay", 60s));
  const Json lost = holdfast.tunnel();
  CHECK(lost["losses"][0]["of"] == "session");
  CHECK(lost["losses"][0]["last_10_min"] == 3);
  CHECK(health_of(holdfast) == "warning");
  CHECK(lost["condition"].get<std::string>().find("lost 3 times in the last 10 min") != std::string::npos);
  REQUIRE(wait_until([&] { return holdfast.tunnel()["forwards"][0]["proof"]["result"] == "verified"; }));
  CHECK(holds_for([&] { return holdfast.tunnel()["attempt"] == 4; }, 9000ms));
  CHECK(holdfast.tunnel()["forwards"][0]["connections"] == 0);
}

TEST_CASE("a lease whose channel has a timeout is opened again, and then held by more heartbeats") {
  Sshd relay{{.config = {"ChannelTimeout session:command=4"}}};
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, 1)).set("server_alive_interval", "60"));
  const auto lease = [&] {
    const Json said = holdfast.tunnel()["lease"];
    return said.is_string() ? said.get<std::string>() : "";
  };
  REQUIRE(wait_until([&] { return lease() == "ready"; }));
  REQUIRE(wait_until([&] { return lease().find("of silence; opened again in ") != std::string::npos; }));
  REQUIRE(holdfast.wait_for([](const Json& now) { return knows(now, "idle_lease") && now["lease"] == "ready"; },
                            "relay", 40s));
  CHECK(holdfast.says("ChannelTimeout in the relay's sshd_config"));
  CHECK(holdfast.tunnel()["probe_period_seconds"] < 4.0);
  CHECK(holds_for([&] { return lease() == "ready"; }, 9000ms));
  CHECK(holdfast.tunnel()["attempt"] == 1);

  // And the next session begins with them.
  relay.kill_sessions();
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"] == 2 && now["lease"] == "ready"; }));
  CHECK(holds_for([&] { return lease() == "ready"; }, 9000ms));
}
