#include "holdfast/timeouts.hpp"

#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

using Known = std::vector<Timeout>;

/// The timeouts of one relay, with the clock in the test's hand.
struct Relay {
  /// A session that was closed at this age, after this silence.
  std::optional<Timeout> close(Duration age, Duration silence, Duration longest_silence_before = 0s) {
    timeouts.session_begins(now);
    now += age;
    return timeouts.session_ended({age, silence, longest_silence_before}, true, now);
  }
  std::optional<Timeout> end_otherwise(Duration age, Duration silence, Duration longest_silence_before = 0s) {
    now += age;
    return timeouts.session_ended({age, silence, longest_silence_before}, false, now);
  }
  Known known() const { return timeouts.known(); }

  Timeouts timeouts;
  TimePoint now{1h};
};

const Timeout idle_20s{TimeoutOf::idle_connection, 20s};
const Timeout session_20s{TimeoutOf::session, 20s};
const LivenessSpec minute{60s, 3};

/// Three sessions of which nothing was heard from the beginning on.
Relay idle_relay() {
  Relay relay;
  for (int n = 0; n < 3; ++n) relay.close(20300ms, 20s);
  REQUIRE(relay.known() == Known{idle_20s});
  return relay;
}

}  // namespace

TEST_CASE("three sessions closed after the same silence have an idle timeout, two have not") {
  Relay relay;
  CHECK_FALSE(relay.close(50s, 20s));
  CHECK_FALSE(relay.close(300s, 20500ms, 12s));
  CHECK(relay.known().empty());
  CHECK(relay.close(24s, 19800ms, 4s) == idle_20s);
  CHECK(relay.close(70s, 20100ms, 9s) == idle_20s);
}

TEST_CASE("the last three closes count, whatever came before them") {
  Relay relay;
  for (const Duration silence : {45s, 20s, 20s}) relay.close(50s + silence, silence);
  CHECK(relay.known().empty());
  CHECK(relay.close(90s, 20s) == idle_20s);
}

TEST_CASE("a timeout as long as the probes are apart is one too, though most of such silences are outlived") {
  Relay relay;
  relay.close(180s, 60s, 60s);
  relay.close(60s, 60s);
  CHECK(relay.close(300s, 59900ms, 60100ms) == Timeout{TimeoutOf::idle_connection, 60s});
  CHECK(relay.timeouts.outlived_by(minute).server_alive_interval == 30s);
}

TEST_CASE("an idle timeout that was lowered is found out anew") {
  Relay relay = idle_relay();
  relay.close(100s, 8s, 7s);
  relay.close(50s, 8s, 7s);
  CHECK(relay.close(70s, 8s, 7s) == Timeout{TimeoutOf::idle_connection, 8s});
  CHECK(relay.known().size() == 1);
}

TEST_CASE("a relay that ends each session when it is probed is not probed ever more often") {
  Relay relay;
  const auto probed_after = [&](Duration period) {
    relay.now += period;
    return relay.timeouts.session_ended({period, period, 0s, period}, true, relay.now);
  };
  for (int n = 0; n < 3; ++n) probed_after(60s);
  REQUIRE(relay.known() == Known{{TimeoutOf::idle_connection, 60s}});
  for (int n = 0; n < 3; ++n) probed_after(30s);
  CHECK(relay.known() == Known{{TimeoutOf::session, 30s}});
  CHECK(relay.timeouts.outlived_by(minute) == minute);
}

TEST_CASE("three sessions closed at the same age, having outlived longer silences, have a limit on their age") {
  Relay relay;
  CHECK_FALSE(relay.close(90s, 30s, 60s));
  CHECK_FALSE(relay.close(90500ms, 30s, 60s));
  CHECK(relay.close(90s, 30s, 60s) == Timeout{TimeoutOf::session, 90s});
  CHECK(relay.timeouts.outlived_by(minute) == minute);
}

TEST_CASE("ends that differ, that are not a close, or that are too short or too long to tell, make nothing known") {
  Relay relay;
  for (const auto age : {20s, 31s, 8s, 55s, 20s, 27s}) CHECK_FALSE(relay.close(age, age));
  for (int n = 0; n < 4; ++n) CHECK_FALSE(relay.end_otherwise(20s, 20s));
  for (int n = 0; n < 4; ++n) CHECK_FALSE(relay.close(1s, 1s));
  for (int n = 0; n < 4; ++n) CHECK_FALSE(relay.close(2h, 20s));
  relay.close(20s, 20s);
  relay.close(20s, 20s);
  relay.end_otherwise(20s, 20s);
  CHECK_FALSE(relay.close(20s, 20s));
  CHECK(relay.known().empty());
}

TEST_CASE("what is closed when idle is probed before that, with as much patience for a hole in the signal") {
  const LivenessSpec more = idle_relay().timeouts.outlived_by(minute);
  CHECK(more == LivenessSpec{10s, 23, 1});
  CHECK(longest_silence(more) == longest_silence(minute));
  CHECK(probing_within({60s, 3, 5}, 20s) == LivenessSpec{10s, 23, 1});
  CHECK(probing_within({7s, 1}, 20s) == LivenessSpec{7s, 1});
  CHECK(probing_within({7s, 1}, 11s) == LivenessSpec{5s, 2, 1});
  CHECK(probing_within({0s, 3}, 20s) == LivenessSpec{0s, 3});
  CHECK(probing_within({60s, 0}, 20s) == LivenessSpec{10s, 5, 1});
  CHECK(probing_within({60s, 3}, 3s).server_alive_interval == 1s);
  CHECK(probing_within({60s, 3}, 500ms).server_alive_interval == 1s);
}

TEST_CASE("two ends are alike within an eighth of the shorter one, but a second at least and three at most") {
  CHECK(alike(4s, 5s));
  CHECK_FALSE(alike(4s, 5001ms));
  CHECK(alike(20s, 22500ms));
  CHECK(alike(22500ms, 20s));
  CHECK_FALSE(alike(20s, 22501ms));
  CHECK_FALSE(alike(22501ms, 20s));
  CHECK(alike(100s, 103s));
  CHECK_FALSE(alike(100s, 103001ms));
  CHECK(alike(3s, 3s));
  CHECK_FALSE(alike(2999ms, 3s));
  CHECK_FALSE(alike(3s, 2999ms));
}

TEST_CASE("sessions of an hour are compared, longer ones are not") {
  Relay relay;
  for (int n = 0; n < 4; ++n) CHECK_FALSE(relay.close(1h + 1ns, 20s));
  for (int n = 0; n < 2; ++n) CHECK_FALSE(relay.close(1h, 20s));
  CHECK(relay.close(1h, 20s) == idle_20s);
}

TEST_CASE("who is probed often enough already stays as it is, and patience for one interval is no probe unanswered") {
  CHECK(probing_within({5s, 3, 2}, 20s) == LivenessSpec{5s, 3, 2});
  CHECK(probing_within({5s, 0, 5}, 20s) == LivenessSpec{10s, 0, 1});
}

TEST_CASE("a session that was probed in time and ends at the age of those before has no idle timeout but a limit") {
  Relay relay = idle_relay();
  CHECK(relay.close(20400ms, 400ms, 10s) == session_20s);
  CHECK(relay.known() == Known{session_20s});
  CHECK(relay.timeouts.outlived_by(minute) == minute);
  // And that stays so when the silences are alike again.
  for (int n = 0; n < 5; ++n) CHECK(relay.close(20300ms, 20s) == session_20s);
}

TEST_CASE("a timeout stays known when a session ends for another reason, until one outlasts it") {
  Relay relay = idle_relay();
  CHECK_FALSE(relay.close(1h, 3s, 10s));
  CHECK_FALSE(relay.end_otherwise(10min, 15s, 10s));
  CHECK(relay.known() == Known{idle_20s});
  CHECK(relay.close(50s, 20s, 10s) == idle_20s);
  CHECK_FALSE(relay.end_otherwise(10min, 1s, 30s));
  CHECK(relay.known().empty());

  Relay limited;
  for (int n = 0; n < 3; ++n) limited.close(20s, 5s, 10s);
  CHECK_FALSE(limited.close(7s, 1s, 4s));
  CHECK(limited.known() == Known{session_20s});
  CHECK_FALSE(limited.end_otherwise(25s, 5s, 10s));
  CHECK(limited.known().empty());
}

TEST_CASE("a timeout is forgotten after a day") {
  Relay relay = idle_relay();
  relay.timeouts.lease_closed_after(20s, relay.now);
  relay.now += 23h;
  relay.timeouts.session_begins(relay.now);
  CHECK(relay.known().size() == 2);
  relay.now += 1h;
  relay.timeouts.session_begins(relay.now);
  CHECK(relay.known().empty());
  // It takes as many sessions as before to know it again.
  for (int n = 0; n < 2; ++n) CHECK_FALSE(relay.close(20300ms, 20s));
  CHECK(relay.close(20300ms, 20s) == idle_20s);
}

TEST_CASE("the lease's timeout is kept beside the connection's, and the shorter one decides") {
  Relay relay = idle_relay();
  relay.timeouts.lease_closed_after(14s, relay.now);
  CHECK(relay.known() == Known{idle_20s, {TimeoutOf::idle_lease, 14s}});
  CHECK(relay.timeouts.outlived_by(minute).server_alive_interval == 7s);
}

// ---- what a tunnel makes of it ------------------------------------------------------------------------------------

namespace {

Failure closed() {
  return {Cause::connection_lost, "hold the session with", "relay.example:22", "the relay closed the connection"};
}

/// From wherever it waits to a session, which is closed after `age` and never said a word.
SteppedTunnel& live(SteppedTunnel& tunnel, Duration age) {
  if (tunnel.phase() == "idle") {
    tunnel.establish();
  } else {
    tunnel.wait();
    for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                     OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
      tunnel.session(PhaseCompleted{phase});
    }
    tunnel.session(ForwardAnswered{0, 4649});
  }
  tunnel.now += age;
  return tunnel.session(SessionFailed{closed()});
}

}  // namespace

TEST_CASE("sessions that are closed when idle are told as that, and the next is probed more often") {
  SteppedTunnel tunnel{spec_with(1)};
  live(tunnel, 20s);
  live(tunnel, 20s);
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::connection_lost);
  live(tunnel, 20s);
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::idle_timeout);
  CHECK(tunnel.lines.at(0).text.find("idle timeout (the relay closed the connection, as those before, after 20 s of "
                                     "silence; the next ones get a sign of life every 10 s)") != std::string::npos);
  CHECK(tunnel.lines.at(0).text.find("server_alive_interval") != std::string::npos);

  tunnel.wait();
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, 4649});
  const TimePoint established = tunnel.now;
  CHECK(tunnel.wait().actions == Actions{SendKeepalive{}});
  CHECK(tunnel.now == established + 10s);
  // As patient as before: four minutes of silence.
  while (tunnel.phase() == "established") tunnel.wait();
  CHECK(tunnel.now == established + 240s);
  CHECK(tunnel.in<BackingOff>().failure.detail == "23 probes unanswered");
}

TEST_CASE("where nothing is probed no sign of life is promised against an idle timeout") {
  TunnelSpec spec = spec_with(1);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  for (int n = 0; n < 3; ++n) live(tunnel, 20s);
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::idle_timeout);
  CHECK(tunnel.in<BackingOff>().failure.detail ==
        "the relay closed the connection, as those before, after 20 s of silence");
}

TEST_CASE("what ends at the same age in spite of the probes is told as that, and opened again at once") {
  SteppedTunnel tunnel{spec_with(1)};
  for (int n = 0; n < 3; ++n) live(tunnel, 20s);
  tunnel.wait();
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, 4649});
  tunnel.wait().session(Received{true});
  tunnel.now += 10s;
  tunnel.session(SessionFailed{closed()});
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::session_timeout);
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
  for (int n = 0; n < 8; ++n) {
    live(tunnel, 20s);
    CHECK(tunnel.in<BackingOff>().failure.cause == Cause::session_timeout);
    CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
  }
}

TEST_CASE("what ends again and again after ten seconds is opened again at once, what ends sooner is waited for") {
  for (const Duration age : {10s, 8s}) {
    Relay relay;
    for (int n = 0; n < 3; ++n) relay.close(age, 3s, 5s);
    REQUIRE(relay.known() == Known{{TimeoutOf::session, age}});
    SteppedTunnel tunnel{spec_with(1)};
    tunnel.state.failover.here().timeouts = relay.timeouts;
    for (int n = 0; n < 30; ++n) live(tunnel, age);
    REQUIRE(tunnel.in<BackingOff>().failure.cause == Cause::session_timeout);
    CHECK((tunnel.in<BackingOff>().until == tunnel.now + 500ms) == (age == Duration{10s}));
  }
}

TEST_CASE("where sessions without a channel are ended and there is no lease, the channel of a proof is kept") {
  TunnelSpec spec = spec_with(1, 1h);
  const auto prove = [](SteppedTunnel& tunnel) {
    tunnel.session(ProofAdvanced{0, ProofNews::opened}).session(ProofAdvanced{0, ProofNews::returned});
    tunnel.session(ProofAdvanced{0, ProofNews::answered});
    return tunnel.actions;
  };
  SteppedTunnel first{spec};
  first.establish();
  CHECK(prove(first) == Actions{EndProof{}});

  SteppedTunnel tunnel{spec};
  for (int n = 0; n < 3; ++n) live(tunnel, 20s);
  tunnel.wait();
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, 4649});
  CHECK(prove(tunnel) == Actions{EndProof{.keep_channel = true}});
}

TEST_CASE("a session that the relay disconnects is closed as well, one that breaks is not") {
  const auto after_three = [](Cause cause) {
    SteppedTunnel tunnel{spec_with(1)};
    Timeouts timeouts;
    for (int n = 0; n < 3; ++n) {
      tunnel.state = {};
      tunnel.state.failover.here().timeouts = timeouts;
      tunnel.establish();
      tunnel.now += 20s;
      tunnel.session(SessionFailed{{cause, "hold the session with", "relay.example:22", ""}});
      timeouts = tunnel.state.failover.here().timeouts;
    }
    return tunnel.in<BackingOff>().failure.cause;
  };
  CHECK(after_three(Cause::connection_lost) == Cause::idle_timeout);
  CHECK(after_three(Cause::relay_disconnected) == Cause::idle_timeout);
  CHECK(after_three(Cause::integrity_failed) == Cause::integrity_failed);
}

TEST_CASE("a session that we end between two that are closed is no timeout's, and those are not in a row") {
  SteppedTunnel tunnel{spec_with(1)};
  live(tunnel, 20s);
  live(tunnel, 20s);
  tunnel.wait();
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  SUBCASE("by a drain") {
    tunnel.session(ForwardAnswered{0, 4649});
    tunnel.now += 20s;
    tunnel.after(ReconnectRequested{});
    REQUIRE(tunnel.phase() == "draining");
  }
  SUBCASE("for a listener that is refused") {
    tunnel.session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::nobody_listens});
    tunnel.now += 20s;
    tunnel.session(ForwardAnswered{0, std::nullopt});
    REQUIRE(tunnel.phase() == "closing");
  }
  CHECK(tunnel.state.failover.here().timeouts.known().empty());
  tunnel.state.phase = BackingOff{tunnel.now, 0, closed()};
  live(tunnel, 20s);
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::connection_lost);
}

TEST_CASE("a timeout that is known for a day is forgotten when the next session begins") {
  SteppedTunnel tunnel{spec_with(1)};
  const Relay known = idle_relay();
  tunnel.state.failover.here().timeouts = known.timeouts;
  tunnel.now = known.now + 24h;
  tunnel.establish();
  CHECK(tunnel.state.failover.here().timeouts.known().empty());
  CHECK(next_deadline(tunnel.state) == tunnel.now + 60s);
}

TEST_CASE("with another relay to turn to, sessions of twenty seconds are no reason to stay") {
  TunnelSpec spec = spec_with(1);
  spec.host_name.clear();
  spec.relays = {{"a.example", 22, "/known", {}}, {"b.example", 22, "/known", {}}};
  SteppedTunnel tunnel{spec};
  for (int n = 0; n < 6; ++n) {
    live(tunnel, 20s);
    CHECK(tunnel.in<BackingOff>().relay != tunnel.state.failover.current());
  }
}

TEST_CASE("a session that outlasts a timeout makes it forgotten, also when we end it") {
  SteppedTunnel tunnel{spec_with(1, 1h)};
  tunnel.state.failover.here().timeouts = idle_relay().timeouts;
  tunnel.establish().session(ProofAdvanced{0, ProofNews::nobody_listens});
  tunnel.now += 60s;
  tunnel.session(Received{true}).after(TimerExpired{}).session(ProofAdvanced{0, ProofNews::nobody_listens});
  REQUIRE(tunnel.phase() == "draining");
  CHECK(tunnel.state.failover.here().timeouts.known().empty());
}
