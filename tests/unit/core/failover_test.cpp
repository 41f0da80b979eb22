#include "holdfast/failover.hpp"

#include <doctest/doctest.h>

#include "core/opening.hpp"
#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

TunnelSpec among(std::size_t relays) {
  TunnelSpec spec = spec_with(1);
  spec.host_name.clear();
  for (std::size_t index = 0; index < relays; ++index) {
    spec.relays.push_back({std::string(1, static_cast<char>('a' + index)) + ".example", 22, "/known", {}});
  }
  return spec;
}

Failure failure(Cause cause) {
  return {cause, "connect to", "x", ""};
}

std::size_t current(const SteppedTunnel& tunnel) {
  return tunnel.state.failover.current();
}

/// From wherever it waits to a session on the relay that is next.
SteppedTunnel& establish_next(SteppedTunnel& tunnel) {
  tunnel.wait();
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, 4649});
  REQUIRE(is_up(tunnel.state));
  return tunnel;
}

/// On the second relay, since the first one refused the connection.
SteppedTunnel on_the_second(TunnelSpec spec = among(2)) {
  spec.liveness.server_alive_interval = 0s;  // so that the only deadline is the next look
  spec.verify_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::connection_refused)});
  establish_next(tunnel);
  REQUIRE(current(tunnel) == 1);
  return tunnel;
}

}  // namespace

// ---- failing over -------------------------------------------------------------------------------------------------

TEST_CASE("an untried relay is next after a short pause, whatever the wait of the one that failed") {
  for (const Cause cause : {Cause::connection_refused, Cause::connection_timed_out, Cause::name_not_found,
                            Cause::unreachable, Cause::authentication_refused, Cause::host_key_changed}) {
    CAPTURE(to_string(cause));
    SteppedTunnel tunnel{among(3)};
    tunnel.after(Start{}).session(SessionFailed{failure(cause)});
    CHECK(tunnel.in<BackingOff>().relay == 1);
    CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
    CHECK(tunnel.lines.at(0).text.find("; next try at b.example:22 in 0.5 s. ") != std::string::npos);
    CHECK(tunnel.wait().actions == Actions{Dial{}});
    CHECK(current(tunnel) == 1);
  }
}

TEST_CASE("of relays that were not tried in this outage the preferred one is next, whenever they failed before") {
  SteppedTunnel tunnel{among(3)};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::connection_refused)});
  for (const std::size_t relay : {1U, 2U, 0U}) {
    tunnel.wait();
    REQUIRE(current(tunnel) == relay);
    tunnel.session(SessionFailed{failure(Cause::connection_refused)});
  }
  establish_next(tunnel);
  REQUIRE(current(tunnel) == 1);
  tunnel.now += 60s;
  tunnel.session(SessionFailed{lost()}).wait();
  REQUIRE(current(tunnel) == 1);
  tunnel.session(SessionFailed{failure(Cause::connection_refused)});
  CHECK(tunnel.in<BackingOff>().relay == 0);
}

TEST_CASE("a relay whose wait has just ended may be tried, after the pause that spreads a fleet") {
  SteppedTunnel tunnel{among(2)};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::connection_refused)});
  REQUIRE(tunnel.state.failover.all()[0].next_try == tunnel.now + 500ms);
  tunnel.wait().session(SessionFailed{failure(Cause::connection_refused)});
  CHECK(tunnel.in<BackingOff>().relay == 0);
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
}

TEST_CASE("what lies in the device is tried again at the same relay") {
  for (const Cause cause :
       {Cause::local_address_unavailable, Cause::local_error, Cause::identity_unusable, Cause::agent_unusable}) {
    CAPTURE(to_string(cause));
    SteppedTunnel tunnel{among(2)};
    tunnel.after(Start{});
    for (int n = 0; n < 3; ++n) {
      tunnel.session(SessionFailed{failure(cause)});
      CHECK(tunnel.in<BackingOff>().relay == 0);
      tunnel.wait();
      CHECK(current(tunnel) == 0);
    }
  }
}

TEST_CASE("relays that refuse wait each for itself, and the one whose wait ends first is next") {
  SteppedTunnel tunnel{among(2)};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::authentication_refused)});  // 30 s
  tunnel.wait().session(SessionFailed{failure(Cause::connection_refused)});              // 0.5 s
  CHECK(tunnel.in<BackingOff>().relay == 1);
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
  const TimePoint began = tunnel.now;
  int at_the_second = 0;
  while (current(tunnel) == 1) {
    tunnel.wait();
    if (current(tunnel) == 0) break;
    ++at_the_second;
    tunnel.session(SessionFailed{failure(Cause::connection_refused)});
  }
  CHECK(at_the_second > 3);
  CHECK(tunnel.now - began > 29s);
  CHECK(tunnel.now - began < 60s);
}

TEST_CASE("when none can be reached they wait together, and the preferred one is the first to be tried again") {
  SteppedTunnel tunnel{among(3)};
  tunnel.after(Start{});
  for (int round = 0; round < 5; ++round) {
    for (std::size_t relay = 0; relay < 3; ++relay) {
      REQUIRE(current(tunnel) == relay);
      tunnel.session(SessionFailed{failure(relay == 1 ? Cause::unreachable : Cause::connection_timed_out)});
      tunnel.wait();
    }
  }
  // Not the one whose own wait would end first. In an old outage the waits are long.
  tunnel.now += 10min;
  for (const double dice : {1.0, 0.1, 0.5}) {
    tunnel.dice = dice;
    tunnel.session(SessionFailed{failure(Cause::connection_timed_out)}).wait();
  }
  CHECK(current(tunnel) == 0);
}

TEST_CASE("a session that had lasted and is lost is tried again at its relay first, one that had not is left") {
  SteppedTunnel tunnel{among(2)};
  tunnel.establish();
  tunnel.now += 59s;
  tunnel.session(SessionFailed{lost()});
  CHECK(tunnel.in<BackingOff>().relay == 1);

  SteppedTunnel lasting{among(2)};
  lasting.establish();
  lasting.now += 60s;
  lasting.session(SessionFailed{lost()});
  CHECK(lasting.in<BackingOff>().relay == 0);
  lasting.wait().session(SessionFailed{failure(Cause::connection_refused)});
  CHECK(lasting.in<BackingOff>().relay == 1);
}

TEST_CASE("a change of the network ends the waits of what could not be reached, not of what refused the key") {
  SteppedTunnel tunnel{among(2)};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::authentication_refused)});
  tunnel.wait().session(SessionFailed{failure(Cause::connection_timed_out)});
  CHECK(tunnel.after(NetworkChanged{}).actions == Actions{Dial{}});
  CHECK(current(tunnel) == 1);

  SteppedTunnel refused{among(2)};
  refused.after(Start{}).session(SessionFailed{failure(Cause::authentication_refused)});
  refused.wait().session(SessionFailed{failure(Cause::authentication_refused)});
  CHECK(refused.after(NetworkChanged{}).actions.empty());
}

TEST_CASE("a reconnect on request ends the waits of all relays") {
  SteppedTunnel tunnel{among(2)};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::authentication_refused)});
  tunnel.wait().session(SessionFailed{failure(Cause::authentication_refused)});
  CHECK(tunnel.after(ReconnectRequested{}).actions == Actions{Dial{}});
  CHECK(current(tunnel) == 0);
  tunnel.session(SessionFailed{failure(Cause::connection_refused)});
  CHECK(tunnel.in<BackingOff>().relay == 1);
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
}

TEST_CASE("a change of the network under a session ends the waits of the other relays too") {
  SteppedTunnel tunnel{among(2)};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::connection_timed_out)});
  tunnel.state.failover.here().next_try = tunnel.now + 60s;
  establish_next(tunnel);
  REQUIRE(current(tunnel) == 1);
  tunnel.after(NetworkChanged{}).session(SessionFailed{lost()});
  CHECK(tunnel.in<BackingOff>().relay == 0);
}

TEST_CASE("a listener that somebody holds is asked for at the next relay after ten seconds") {
  TunnelSpec spec = among(2);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered});
  const TimePoint refused = tunnel.now;
  while (tunnel.phase() == "requesting_forwards") {
    tunnel.wait();
    if (tunnel.actions == Actions{RequestForward{0}}) tunnel.session(ForwardAnswered{0, std::nullopt});
  }
  CHECK(tunnel.now - refused >= 10s);
  CHECK(tunnel.now - refused < 15s);
  tunnel.session(SessionClosed{});
  CHECK(tunnel.in<BackingOff>().relay == 1);
}

TEST_CASE(
    "a held listener is asked for elsewhere after ten seconds sharp, where no other relay may give it after ten "
    "minutes") {
  std::size_t relays = 0;
  Duration limit{};
  SUBCASE("another relay was not tried yet") {
    relays = 2;
    limit = 10s;
  }
  SUBCASE("there is no other") {
    relays = 1;
    limit = 10min;
  }
  TunnelSpec spec = among(relays);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered});
  const auto refused_again_at = [](SteppedTunnel& at, TimePoint when) {
    at.now = when;
    REQUIRE(at.after(TimerExpired{}).actions == Actions{RequestForward{0}});
    at.session(ForwardAnswered{0, std::nullopt});
    if (at.actions == Actions{Knock{0, "localhost"}}) at.session(Knocked{0, KnockAnswer::answered});
    return at.phase();
  };
  SteppedTunnel sooner = tunnel;
  CHECK(refused_again_at(sooner, tunnel.now + limit - 1ns) == "requesting_forwards");
  CHECK(refused_again_at(tunnel, tunnel.now + limit) == "closing");
}

TEST_CASE("a relay that could not be reached and may be tried again is one that may give a held listener") {
  TunnelSpec spec = among(2);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::connection_refused)}).wait();
  REQUIRE(current(tunnel) == 1);
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered});
  tunnel.now += 10s;
  tunnel.after(TimerExpired{}).session(ForwardAnswered{0, std::nullopt});
  CHECK(tunnel.phase() == "closing");
}

TEST_CASE("what a relay failed with, and its wait, are forgotten once a session stands there") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::authentication_refused)});
  REQUIRE(tunnel.state.failover.here().failure);
  REQUIRE(tunnel.state.failover.here().refusal);
  establish_next(tunnel);
  CHECK_FALSE(tunnel.state.failover.here().failure);
  CHECK_FALSE(tunnel.state.failover.here().refusal);
  CHECK_FALSE(tunnel.state.failover.here().next_try);
}

TEST_CASE("among several relays a name server is waited for six seconds, and longer in an outage that is old") {
  SteppedTunnel tunnel{among(2)};
  tunnel.after(Start{});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 6s);
  const auto limit_after = [&](Duration outage) {
    tunnel.state.phase = BackingOff{tunnel.now, 0, failure(Cause::resolver_unavailable)};
    tunnel.state.outage_since = tunnel.now - outage;
    tunnel.after(TimerExpired{});
    return next_deadline(tunnel.state).value() - tunnel.now;
  };
  CHECK(limit_after(48s) == 6s);
  CHECK(limit_after(80s) == 10s);
  CHECK(limit_after(1h) == 30s);
  tunnel.spec.connect_timeout = 2s;
  CHECK(limit_after(0s) == 2s);
}

TEST_CASE("a list of one relay is waited for as a relay without a list is") {
  TunnelSpec spec = among(1);
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::banner}) {
    CHECK(limit_of(phase, spec, 0s, false) == spec.connect_timeout);
  }
}

TEST_CASE("among several relays a banner is waited for no longer than a connection") {
  SteppedTunnel tunnel{among(2)};
  tunnel.open_until(OpeningPhase::banner);
  CHECK(next_deadline(tunnel.state) == tunnel.now + 3s);
  SteppedTunnel alone{spec_with(1)};
  alone.open_until(OpeningPhase::banner);
  CHECK(next_deadline(alone.state) == alone.now + 30s);
}

// ---- failing back -------------------------------------------------------------------------------------------------

TEST_CASE("on the preferred relay nothing is looked at, nor with fail_back_after 0") {
  SteppedTunnel preferred{among(2)};
  CHECK_FALSE(preferred.establish().in<Established>().fail_back);
  TunnelSpec spec = among(2);
  spec.fail_back_after = 0s;
  CHECK_FALSE(on_the_second(spec).in<Established>().fail_back);
}

TEST_CASE("the better relay is looked at after fail_back_after and a random part of it, and gone back to when idle") {
  SteppedTunnel tunnel = on_the_second();
  CHECK(next_deadline(tunnel.state) == tunnel.now + 15min);
  CHECK_FALSE(tunnel.state.failover.here().look_after);
  CHECK(tunnel.wait().actions == Actions{LookAtRelay{0}});
  CHECK(tunnel.session(RelayLookedAt{}).actions == Actions{AwaitIdle{}});
  CHECK_FALSE(next_deadline(tunnel.state));
  CHECK(tunnel.session(ConnectionsIdle{}).actions == Actions{DrainConnections{}, CancelForward{0}});
  CHECK(tunnel.lines.at(0).text == "going back to a.example:22, which answers again");
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{});
  CHECK(tunnel.session(SessionClosed{}).actions == Actions{DropSession{}, Dial{}});
  CHECK(current(tunnel) == 0);
  CHECK_FALSE(tunnel.state.failover.here().look_after);
  tunnel.session(PhaseCompleted{OpeningPhase::resolve});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 3s);  // nothing was lost: it is no old outage
}

TEST_CASE("an answer that is older than a minute when the last connection ends is asked for again") {
  SteppedTunnel tunnel = on_the_second();
  tunnel.wait().session(RelayLookedAt{});
  tunnel.now += 61s;
  CHECK(tunnel.session(ConnectionsIdle{}).actions == Actions{LookAtRelay{0}});
  CHECK(tunnel.session(RelayLookedAt{}).actions == Actions{AwaitIdle{}});
  CHECK(tunnel.session(ConnectionsIdle{}).actions == Actions{DrainConnections{}, CancelForward{0}});
}

TEST_CASE("a relay that does not answer is looked at ever more rarely, at most every four to eight hours") {
  SteppedTunnel tunnel = on_the_second();
  std::vector<Duration> waits;
  for (int look = 0; look < 8; ++look) {
    const TimePoint before = tunnel.now;
    REQUIRE(tunnel.wait().actions == Actions{LookAtRelay{0}});
    waits.push_back(tunnel.now - before);
    if (look % 2 == 0) {
      tunnel.session(RelayLookedAt{failure(Cause::connection_refused)});
    } else {
      const TimePoint asked = tunnel.now;
      CHECK(tunnel.wait().actions == Actions{EndLook{}});
      CHECK(tunnel.now == asked + 10s);
    }
    REQUIRE(tunnel.phase() == "established");
  }
  CHECK(waits == std::vector<Duration>{15min, 30min, 60min, 120min, 240min, 360min, 360min, 360min});
}

TEST_CASE("a relay that was gone back to in vain is left for the one that held, and left alone for longer") {
  SteppedTunnel tunnel = on_the_second(among(3));
  tunnel.wait().session(RelayLookedAt{}).session(ConnectionsIdle{});
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).session(SessionClosed{});
  REQUIRE(current(tunnel) == 0);
  tunnel.session(SessionFailed{failure(Cause::authentication_refused)});
  CHECK(tunnel.in<BackingOff>().relay == 1);
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
  establish_next(tunnel);
  CHECK(next_deadline(tunnel.state) == tunnel.now + 30min);
}

TEST_CASE("a relay that was gone back to in vain is left for the one that held, though another is preferred to that") {
  TunnelSpec spec = among(3);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.after(Start{}).session(SessionFailed{failure(Cause::connection_refused)});
  tunnel.wait().session(SessionFailed{failure(Cause::connection_refused)});
  establish_next(tunnel);
  REQUIRE(current(tunnel) == 2);
  tunnel.wait().session(RelayLookedAt{}).session(ConnectionsIdle{});
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).session(SessionClosed{});
  REQUIRE(current(tunnel) == 0);
  tunnel.session(SessionFailed{failure(Cause::authentication_refused)});
  CHECK(tunnel.in<BackingOff>().relay == 2);
}

TEST_CASE("sessions that end sooner than a better relay is due to be looked at do not put the look off") {
  SteppedTunnel tunnel = on_the_second();
  const TimePoint due = tunnel.now + 15min;
  REQUIRE(next_deadline(tunnel.state) == due);
  for (const Duration held : {8min, 3min}) {
    tunnel.now += held;
    tunnel.session(SessionFailed{lost()});
    establish_next(tunnel);
    REQUIRE(current(tunnel) == 1);
    CHECK(next_deadline(tunnel.state) == due);
  }

  // But one that was tried meanwhile was looked at by that.
  tunnel.now += 30s;
  tunnel.session(SessionFailed{lost()}).wait();
  REQUIRE(current(tunnel) == 0);
  tunnel.session(SessionFailed{failure(Cause::connection_refused)});
  establish_next(tunnel);
  REQUIRE(current(tunnel) == 1);
  CHECK(next_deadline(tunnel.state) == tunnel.now + 15min);
}

TEST_CASE("a relay that was gone back to and then held is not left for the other one when its path breaks") {
  SteppedTunnel tunnel = on_the_second();
  tunnel.wait().session(RelayLookedAt{}).session(ConnectionsIdle{});
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).session(SessionClosed{});
  tunnel.spec.verify_interval = 1h;
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, 4649}).session(ProofAdvanced{0, ProofNews::nobody_listens});
  tunnel.now += 60s;
  tunnel.after(TimerExpired{}).session(ProofAdvanced{0, ProofNews::nobody_listens});
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).session(SessionClosed{});
  CHECK(tunnel.in<BackingOff>().relay == 0);
  CHECK(tunnel.state.failover.all()[0].failed_returns == 0);
}

TEST_CASE("a relay that was gone back to and held is as good as any when it is lost later") {
  SteppedTunnel tunnel = on_the_second();
  tunnel.wait().session(RelayLookedAt{}).session(ConnectionsIdle{});
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{});
  SUBCASE("it held for reset_after") {
    tunnel.session(SessionClosed{});
    for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                     OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
      tunnel.session(PhaseCompleted{phase});
    }
    tunnel.session(ForwardAnswered{0, 4649});
    tunnel.now += 60s;
    tunnel.session(SessionFailed{lost()}).wait();
  }
  SUBCASE("the operator had it tried anew") {
    tunnel.session(SessionClosed{}).after(ReconnectRequested{});
  }
  REQUIRE(current(tunnel) == 0);
  tunnel.session(SessionFailed{failure(Cause::connection_refused)});
  CHECK(tunnel.state.failover.all()[0].failed_returns == 0);
  establish_next(tunnel);
  REQUIRE(current(tunnel) == 1);
  CHECK(next_deadline(tunnel.state) == tunnel.now + 15min);
}

TEST_CASE("a stop while the tunnel goes back wins") {
  SteppedTunnel tunnel = on_the_second();
  tunnel.wait().session(RelayLookedAt{}).session(ConnectionsIdle{}).after(StopRequested{});
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).session(SessionClosed{});
  CHECK(tunnel.phase() == "stopped");
}

TEST_CASE("news of a look or of idleness that nobody waits for change nothing") {
  SteppedTunnel tunnel = on_the_second();
  const TunnelState before = tunnel.state;
  CHECK(tunnel.session(RelayLookedAt{}).actions.empty());
  CHECK(tunnel.session(ConnectionsIdle{}).actions.empty());
  CHECK(tunnel.state == before);
}

TEST_CASE("a reconnect on request goes to the preferred relay") {
  SteppedTunnel tunnel = on_the_second();
  tunnel.after(ReconnectRequested{}).session(ListenerCancelled{0}).session(ConnectionsDrained{});
  CHECK(tunnel.session(SessionClosed{}).actions == Actions{DropSession{}, Dial{}});
  CHECK(current(tunnel) == 0);
}
