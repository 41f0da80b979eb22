// The relay that scripts play is honest where they say nothing.
#include <doctest/doctest.h>

#include <atomic>

#include "integration/tunnel/scenario.hpp"
#include "support/ssh/relay.hpp"

using namespace holdfast::test;

namespace {

bool wait_for_proof(const Holdfast& holdfast) {
  return holdfast.wait_for([](const Json& now) {
    const Json& proof = now["forwards"][0]["proof"];
    return !proof.is_null() && proof["result"] == "verified";
  });
}

}  // namespace

TEST_CASE("the program establishes a session with a scripted relay, and proves its listener through it") {
  RelayOptions options;
  SUBCASE("with strict key exchange") {}
  SUBCASE("without") {
    options.strict_kex = false;
  }
  std::atomic<int> leases = 0;
  ScriptedRelay relay(
      [&](RelaySession& session) {
        const Packet exec = session.serve_until(channel_request("exec"));
        ++leases;
        session.handle(exec);
        session.serve();
      },
      options);
  const TargetServer target(greet_then_echo("hello\n"));
  {
    const Holdfast holdfast(Tunnel::to(relay).forward(to_local(free_port(), target.port())));
    REQUIRE(holdfast.wait_for_up());
    REQUIRE(wait_for_proof(holdfast));
    CHECK(holdfast.state() == "established");
    CHECK(holdfast.tunnel()["attempt"] == 1);
    CHECK(holdfast.log().find("no lease on the relay") == std::string::npos);
    CHECK(leases == 1);
  }
  CHECK(wait_until([&] { return relay.open() == 0; }));
  CHECK(relay.problems().empty());
}

TEST_CASE("a scripted relay exchanges keys again whenever it likes, and chooses a port when asked for any") {
  std::atomic<int> exchanges = 0;
  ScriptedRelay relay([&](RelaySession& session) {
    session.handle(session.serve_until(global_request("tcpip-forward")));
    session.handle(session.serve_until(channel_request("exec")));
    for (int again = 0; again < 3; ++again) {
      session.rekey();
      ++exchanges;
    }
    session.serve();
  });
  const TargetServer target(greet_then_echo("hello\n"));
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(0, target.port())));
  REQUIRE(wait_for_proof(holdfast));
  CHECK(wait_until([&] { return exchanges == 3; }));
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(holdfast.tunnel()["forwards"][0]["bound_port"] == 40001);
  CHECK(relay.problems().empty());
}
