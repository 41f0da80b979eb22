// Single changes to the core that no other test noticed.
#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// Nothing is due but what belongs to the proof.
SteppedTunnel being_proven() {
  TunnelSpec spec = spec_with(1, 1h);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.establish();
  tunnel.now += 1s;
  return tunnel;
}

}  // namespace

TEST_CASE("each step of a proof has its own time: to open, at the next name, to come back, for the target to speak") {
  SteppedTunnel tunnel = being_proven();
  CHECK(next_deadline(tunnel.state) == tunnel.now + 9s);
  tunnel.session(ProofAdvanced{0, ProofNews::not_connected, "Name or service not known"});
  CHECK(tunnel.actions == Actions{Prove{0, "127.0.0.1"}});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 10s);
  tunnel.now += 1s;
  tunnel.session(ProofAdvanced{0, ProofNews::opened});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 15s);
  tunnel.now += 1s;
  tunnel.session(ProofAdvanced{0, ProofNews::returned});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 3s);
}

TEST_CASE("what a proof found is told, and is not the last error: that is why a session ended") {
  SteppedTunnel tunnel = being_proven();
  tunnel.session(ProofAdvanced{0, ProofNews::target_failed, "connection refused"});
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].failure);
  CHECK_FALSE(tunnel.history.last_error());
}

TEST_CASE("what a proof of the second listener found is told as well") {
  SteppedTunnel tunnel{spec_with(2, 1h)};
  tunnel.establish().session(ProofAdvanced{0, ProofNews::target_failed, "connection refused"});
  REQUIRE(tunnel.actions == Actions{EndProof{}, Prove{1, "localhost"}});
  tunnel.session(ProofAdvanced{1, ProofNews::target_failed, "connection refused"});
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].text.find("localhost:23") != std::string::npos);
}

TEST_CASE("each session that is given up for a broken path is counted until a path is good") {
  SteppedTunnel tunnel = being_proven();
  tunnel.session(ProofAdvanced{0, ProofNews::nobody_listens})
      .wait()
      .session(ProofAdvanced{0, ProofNews::nobody_listens});
  REQUIRE(tunnel.phase() == "draining");
  CHECK(tunnel.state.proof_history.renewals == 1);
}

TEST_CASE("a relay's failure is forgotten once a session stands there") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{}).session(SessionFailed{lost()});
  REQUIRE(tunnel.state.failover.here().failure);
  tunnel.state.phase = Idle{};
  tunnel.establish();
  CHECK_FALSE(tunnel.state.failover.here().failure);
}

TEST_CASE("among several relays a name server that does not answer is waited for six seconds, alone for thirty") {
  SteppedTunnel alone{spec_with(1)};
  alone.after(Start{});
  CHECK(alone.in<Opening>().deadline == alone.now + 30s);
  TunnelSpec spec = spec_with(1);
  spec.relays = {{"a.example", 22, "/known", {}}, {"b.example", 22, "/known", {}}};
  SteppedTunnel among{spec};
  among.after(Start{});
  CHECK(among.in<Opening>().deadline == among.now + 6s);
}

TEST_CASE("the answer to a cancellation of a listener that there is not changes nothing") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish().after(StopRequested{});
  const TunnelState before = tunnel.state;
  CHECK(tunnel.session(ListenerCancelled{1}).actions.empty());
  CHECK(tunnel.state == before);
}
