#include "holdfast/losses.hpp"

#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

std::size_t times(const TunnelState& state, LossOf of, TimePoint now) {
  for (const RecentLosses& losses : state.losses.recent(now)) {
    if (losses.of == of) return losses.times;
  }
  return 0;
}

/// An attempt that is due already, up to a session that holds its listener.
void establish_again(SteppedTunnel& tunnel) {
  if (tunnel.phase() == "backing_off") tunnel.wait();
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, 4649});
  REQUIRE(tunnel.phase() == "established");
}

}  // namespace

TEST_CASE("losses are counted for ten minutes, each kind for itself, and no more than so many") {
  Losses losses;
  const TimePoint start{1h};
  CHECK(losses.recent(start).empty());
  losses.add(LossOf::session, "connection lost", start);
  losses.add(LossOf::session, "idle timeout", start + 5min);
  losses.add(LossOf::lease, "its script ended", start + 5min);
  const auto both = losses.recent(start + 9min);
  CHECK(both ==
        std::vector<RecentLosses>{{LossOf::session, 2, "idle timeout"}, {LossOf::lease, 1, "its script ended"}});
  CHECK_FALSE(too_often(both.at(0)));
  CHECK(losses.recent(start + 10min).at(0).times == 1);
  CHECK(losses.recent(start + 15min).empty());
  for (int n = 0; n < 1000; ++n) losses.add(LossOf::session, std::string(100'000, 'x'), start);
  CHECK(losses.recent(start).at(0).times == most_losses);
  CHECK(losses.recent(start).at(0).last.size() == 200);
  CHECK(too_often(losses.recent(start).at(0)));
}

TEST_CASE("a session that is lost counts, one that somebody ended does not") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish().session(SessionFailed{lost()});
  CHECK(tunnel.state.losses.recent(tunnel.now) == std::vector<RecentLosses>{{LossOf::session, 1, "connection lost"}});
  establish_again(tunnel);
  tunnel.after(ReconnectRequested{}).session(ListenerCancelled{0}).session(ConnectionsDrained{});
  tunnel.session(SessionClosed{});
  establish_again(tunnel);
  CHECK(times(tunnel.state, LossOf::session, tunnel.now) == 1);
}

TEST_CASE("an attempt that fails is no loss: the tunnel was down already") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{}).session(SessionFailed{lost()});
  tunnel.wait().session(SessionFailed{lost()});
  CHECK(tunnel.state.losses.recent(tunnel.now).empty());
}

TEST_CASE("proofs, leases and listeners that come and go are counted") {
  SUBCASE("a path") {
    SteppedTunnel tunnel{spec_with(1, 1min)};
    tunnel.spec.liveness.server_alive_interval = 0s;
    tunnel.establish();
    for (int n = 0; n < 3; ++n) {
      tunnel.session(ProofAdvanced{0, ProofNews::target_failed});
      tunnel.wait().session(ProofAdvanced{0, ProofNews::returned}).session(ProofAdvanced{0, ProofNews::answered});
      tunnel.wait();
    }
    CHECK(times(tunnel.state, LossOf::path, tunnel.now) == 3);
    CHECK(tunnel.state.losses.recent(tunnel.now).at(0).last == "target down");
  }
  SUBCASE("a lease") {
    SteppedTunnel tunnel{leased(1)};
    tunnel.establish().session(LeaseLost{"the relay runs no commands for this account"});
    CHECK(times(tunnel.state, LossOf::lease, tunnel.now) == 0);  // there never was one
    tunnel.session(LeaseOpened{}).session(LeaseLost{"its script ended"});
    CHECK(times(tunnel.state, LossOf::lease, tunnel.now) == 1);
  }
  SUBCASE("a listener") {
    SteppedTunnel tunnel{spec_with(1)};
    tunnel.spec.exit_on_forward_failure = false;
    tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered});
    CHECK(times(tunnel.state, LossOf::listener, tunnel.now) == 1);
  }
}
