#include <doctest/doctest.h>

#include <algorithm>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

TEST_CASE("a tunnel opens phase by phase and each phase has its own deadline") {
  SteppedTunnel tunnel{spec_with(1)};
  CHECK(tunnel.after(Start{}).actions == Actions{Dial{}});
  CHECK(tunnel.in<Opening>() == Opening{OpeningPhase::resolve, tunnel.now, tunnel.now + 30s});

  tunnel.now += 20s;
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::resolve}).actions == Actions{Connect{{{}, 1}}});
  CHECK(tunnel.in<Opening>() == Opening{OpeningPhase::connect, tunnel.now, tunnel.now + 3s});

  tunnel.now += 20s;
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::connect}).actions == Actions{ResetParked{}, OpenSession{}});
  CHECK(tunnel.in<Opening>() == Opening{OpeningPhase::banner, tunnel.now, tunnel.now + 30s});
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::banner}).actions.empty());
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::key_exchange}).actions == Actions{Authenticate{}});
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::authenticate}).actions == Actions{RequestForward{0}});
  CHECK(tunnel.session(ForwardAnswered{0, 4649}).actions.empty());
  CHECK(tunnel.phase() == "established");
  CHECK(is_up(tunnel.state));
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].text == "established: localhost:4649 -> localhost:22");
}

TEST_CASE("a phase reported out of order changes nothing") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{});
  const TunnelState before = tunnel.state;
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::authenticate}).actions.empty());
  CHECK(tunnel.state == before);
}

TEST_CASE("each phase that stalls ends at its deadline with its own cause") {
  struct Row {
    OpeningPhase phase;
    Cause cause;
    std::string_view text;
  };
  for (const Row& row : {
           Row{OpeningPhase::resolve, Cause::resolver_unavailable,
               "resolve relay.example:22: resolver unavailable (no answer within 30 s)"},
           Row{OpeningPhase::connect, Cause::connection_timed_out,
               "connect to relay.example:22: connection timed out (no answer within 3.0 s)"},
           Row{OpeningPhase::banner, Cause::phase_timed_out,
               "read the banner of relay.example:22: phase timed out (no answer within 30 s)"},
           Row{OpeningPhase::key_exchange, Cause::phase_timed_out,
               "exchange keys with relay.example:22: phase timed out (no answer within 30 s)"},
           Row{OpeningPhase::authenticate, Cause::phase_timed_out,
               "authenticate to relay.example:22: phase timed out (no answer within 30 s)"},
       }) {
    CAPTURE(row.text);
    SteppedTunnel tunnel{spec_with(1)};
    tunnel.open_until(row.phase);
    REQUIRE(tunnel.in<Opening>().phase == row.phase);
    tunnel.now = tunnel.in<Opening>().deadline - 1ns;
    tunnel.after(TimerExpired{});
    REQUIRE(tunnel.phase() == "opening");
    CHECK(tunnel.wait().actions == Actions{DropSession{}});
    CHECK(tunnel.in<BackingOff>().failure.cause == row.cause);
    CHECK(describe(tunnel.in<BackingOff>().failure) == row.text);
  }
}

TEST_CASE("a forward request that is never answered ends at its deadline") {
  SteppedTunnel tunnel{spec_with(2)};
  tunnel.authenticate().session(ForwardAnswered{0, 4649});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 30s);
  CHECK(tunnel.wait().actions == Actions{ParkSession{}});
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::phase_timed_out);
}

TEST_CASE("a failure backs off with jitter, says so once, and is tried again as the next attempt") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{});
  const Failure refused{Cause::connection_refused, "connect to", "192.0.2.1:22", "Connection refused"};
  CHECK(tunnel.session(SessionFailed{refused}).actions == Actions{DropSession{}});
  CHECK(tunnel.in<BackingOff>() == BackingOff{tunnel.now + 500ms, 0, refused});
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].failure == refused);
  CHECK(tunnel.lines[0].text ==
        "connect to 192.0.2.1:22: connection refused; next try in 0.5 s. Check that sshd runs on the "
        "relay at this port and that no firewall rejects it.");
  CHECK(tunnel.wait().actions == Actions{Dial{}});
  CHECK(tunnel.state.attempt == 2);
}

TEST_CASE("a failure that only repeats itself is told once a minute, with how often it came meanwhile") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{});
  const TimePoint began = tunnel.now;
  const Failure refused{Cause::connection_refused, "connect to", "192.0.2.1:22", "Connection refused"};
  tunnel.session(SessionFailed{refused});
  CHECK(tunnel.lines.at(0).level == LogLevel::error);
  unsigned repeated = 0;
  while (true) {
    tunnel.wait().session(SessionFailed{refused});
    if (tunnel.now >= began + 1min) break;
    ++repeated;
    CHECK(tunnel.lines.at(0).level == LogLevel::verbose);
    CHECK(tunnel.lines.at(0).failure == refused);  // the status shows each as the last error
  }
  REQUIRE(repeated > 10);
  CHECK(tunnel.lines.at(0).level == LogLevel::error);
  CHECK(tunnel.lines.at(0).text.starts_with("connect to 192.0.2.1:22: connection refused (and " +
                                            std::to_string(repeated) + " times before); next try in "));

  SUBCASE("another failure is told at once") {
    tunnel.wait().session(SessionFailed{{Cause::unreachable, "connect to", "192.0.2.1:22", ""}});
    CHECK(tunnel.lines.at(0).level == LogLevel::error);
  }
  SUBCASE("so is the same one after a session stood") {
    tunnel.wait();
    tunnel.state.phase = Idle{};
    tunnel.establish().session(SessionFailed{refused});
    CHECK(tunnel.lines.at(0).level == LogLevel::error);
  }
}

TEST_CASE("an event of an earlier session is ignored in every state") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish().session(SessionFailed{lost()}).wait();
  REQUIRE(tunnel.state.attempt == 2);
  tunnel.authenticate();
  const TunnelState before = tunnel.state;
  for (const SessionEvent& event :
       {SessionEvent{PhaseCompleted{OpeningPhase::resolve}}, SessionEvent{ForwardAnswered{0, 4649}},
        SessionEvent{ListenerCancelled{0}}, SessionEvent{Received{true}}, SessionEvent{ConnectionsDrained{}},
        SessionEvent{SessionFailed{lost()}}, SessionEvent{SessionClosed{}}}) {
    CHECK(tunnel.after(OfSession{1, event}).actions.empty());
    CHECK(tunnel.state == before);
  }
}

TEST_CASE("a young outage is met by short attempts, an old one by longer ones") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{});
  const TimePoint began = tunnel.now;
  std::vector<Duration> limits;
  while (tunnel.now < began + 5min) {
    tunnel.session(PhaseCompleted{OpeningPhase::resolve});
    limits.push_back(tunnel.in<Opening>().deadline - tunnel.now);
    const Duration outage = tunnel.now - began;
    tunnel.wait();
    REQUIRE(tunnel.in<BackingOff>().until - tunnel.now <= std::max<Duration>(1s, (tunnel.now - began) / 8));
    CHECK(limits.back() == std::min<Duration>(30s, std::max<Duration>(3s, outage / 8)));
    tunnel.wait();
  }
  CHECK(limits.front() == 3s);
  CHECK(limits.back() == 30s);
}

TEST_CASE("it never gives up: a thousand failures in a row end in the thousandth wait, never longer than the cap") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.dice = 0.999;
  tunnel.after(Start{});
  for (int attempt = 0; attempt < 1000; ++attempt) {
    tunnel.session(SessionFailed{lost()});
    REQUIRE(tunnel.in<BackingOff>().until - tunnel.now <= 60s);
    tunnel.wait();
  }
  CHECK(tunnel.phase() == "opening");
  CHECK(tunnel.state.attempt == 1001);
}

TEST_CASE("the backoff starts over only after the tunnel held for reset_after") {
  SteppedTunnel tunnel{spec_with(1)};
  const auto wait_after_holding = [&](Duration held) {
    tunnel.establish();
    tunnel.now += held;
    tunnel.session(SessionFailed{lost()});
    const Duration wait = tunnel.in<BackingOff>().until - tunnel.now;
    tunnel.wait();
    // establish() starts a fresh attempt by itself only from Idle.
    tunnel.state.phase = Idle{};
    return wait;
  };
  // Ends at equal ages would be a timeout's.
  CHECK(wait_after_holding(59s) == 500ms);
  CHECK(wait_after_holding(31s) == 1s);
  CHECK(wait_after_holding(45s) == 2s);
  CHECK(wait_after_holding(60s) == 500ms);
  CHECK(wait_after_holding(20s) == 1s);
}

/// As after a boot without a network: the waits have grown, and the phases may take long.
SteppedTunnel after_a_long_outage(TunnelSpec spec) {
  SteppedTunnel tunnel{std::move(spec)};
  tunnel.dice = 0.999;
  tunnel.after(Start{});
  tunnel.now += 1h;
  for (int attempt = 0; attempt < 20; ++attempt) tunnel.session(SessionFailed{lost()}).wait();
  tunnel.state.phase = Idle{};
  tunnel.dice = 0.5;
  return tunnel;
}

TEST_CASE("after a session that held for reset_after a reconnect on request starts over, one that had not goes on") {
  SteppedTunnel tunnel = after_a_long_outage(spec_with(1));
  const auto reconnect_after_holding = [&](Duration held) {
    tunnel.establish();
    tunnel.now += held;
    tunnel.after(ReconnectRequested{}).session(ListenerCancelled{0}).session(ConnectionsDrained{});
    tunnel.now += 4s;  // going down is no holding
    tunnel.session(SessionClosed{}).session(PhaseCompleted{OpeningPhase::resolve});
  };
  reconnect_after_holding(59s);
  CHECK(tunnel.in<Opening>().deadline == tunnel.now + 30s);
  tunnel.session(SessionFailed{lost()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 30s);

  tunnel.state.phase = Idle{};
  reconnect_after_holding(72h);
  CHECK(tunnel.in<Opening>().deadline == tunnel.now + 3s);
  tunnel.session(SessionFailed{lost()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
}

TEST_CASE("a session that held for reset_after and is renewed for a broken path starts over") {
  SteppedTunnel tunnel = after_a_long_outage(spec_with(1, 1h));
  const auto renew_after_holding = [&](Duration held) {
    tunnel.establish().session(ProofAdvanced{0, ProofNews::nobody_listens});
    tunnel.now += held;
    tunnel.after(TimerExpired{}).session(ProofAdvanced{0, ProofNews::nobody_listens});
    REQUIRE(tunnel.phase() == "draining");
    tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).session(SessionClosed{});
    return tunnel.in<BackingOff>().until - tunnel.now;
  };
  CHECK(renew_after_holding(59s) == 1s);
  tunnel.state.phase = Idle{};
  tunnel.now += 5min;
  CHECK(renew_after_holding(59s) == 2s);
  tunnel.state.phase = Idle{};
  tunnel.now += 10min;
  CHECK(renew_after_holding(60s) == 1s);
}

TEST_CASE("a session that never came to stand is not taken for the one before it, which had lasted") {
  TunnelSpec spec = spec_with(1);
  spec.relays = {{"a.example", 22, "/known", {}}, {"b.example", 22, "/known", {}}};
  SteppedTunnel tunnel{spec};
  tunnel.establish();
  CHECK(tunnel.lines.at(0).text == "established at a.example:22: localhost:4649 -> localhost:22");
  tunnel.now += 60s;
  tunnel.session(SessionFailed{lost()});
  REQUIRE(tunnel.in<BackingOff>().relay == 0);
  tunnel.wait();
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  REQUIRE(tunnel.phase() == "requesting_forwards");
  tunnel.session(SessionFailed{lost()});
  CHECK(tunnel.in<BackingOff>().relay == 1);
}

// ---- forwards -----------------------------------------------------------------------------------------------------

TEST_CASE("forwards are asked for one at a time, those whose port the relay chooses first") {
  TunnelSpec spec = spec_with(3);
  spec.remote_forward[1].port = 0;
  SteppedTunnel tunnel{spec};
  CHECK(tunnel.authenticate().actions == Actions{RequestForward{1}});
  CHECK(tunnel.session(ForwardAnswered{1, 40001}).actions == Actions{RequestForward{0}});
  CHECK(tunnel.session(ForwardAnswered{0, 4649}).actions == Actions{RequestForward{2}});
  CHECK(tunnel.session(ForwardAnswered{2, 4651}).actions.empty());
  CHECK(tunnel.table()[1] == ForwardProgress{ForwardState::held, 40001, std::nullopt});
  CHECK(tunnel.lines[0].text ==
        "established: localhost:4649 -> localhost:22, localhost:40001 -> localhost:23, localhost:4651 -> localhost:24");
}

TEST_CASE("an answer to a question that was not asked is ignored") {
  SteppedTunnel tunnel{spec_with(2)};
  tunnel.authenticate();
  const TunnelState before = tunnel.state;
  tunnel.session(ForwardAnswered{1, 4650});
  CHECK(tunnel.state == before);
  tunnel.session(ForwardAnswered{99, 4650});
  CHECK(tunnel.state == before);
}

TEST_CASE("with exit_on_forward_failure a forward that the relay's rules refuse ends the session politely") {
  SteppedTunnel tunnel{spec_with(2)};
  tunnel.authenticate().session(ForwardAnswered{0, 4649});
  CHECK(tunnel.session(ForwardAnswered{1, std::nullopt}).actions == Actions{Knock{1, "localhost"}});
  CHECK(tunnel.session(Knocked{1, KnockAnswer::nobody_listens}).actions == Actions{RequestForward{1}});
  CHECK(tunnel.session(ForwardAnswered{1, std::nullopt}).actions == Actions{CloseSession{}});
  CHECK(tunnel.phase() == "closing");
  CHECK(
      tunnel.lines[0].text ==
      "listen on relay localhost:4650: forward refused (nobody listens there, so the relay's rules forbid it). On the "
      "relay, look at AllowTcpForwarding and PermitListen; a key with permitlisten needs "
      "permitlisten=\"localhost:4650\", letter by letter.");
  CHECK(tunnel.session(SessionClosed{}).actions == Actions{DropSession{}});
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::forward_refused);
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 1s);
}

TEST_CASE("what a relay that is Dropbear can do about a failure is said in Dropbear's words, also once it is gone") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.open_until(OpeningPhase::banner).session(PhaseCompleted{OpeningPhase::banner, "SSH-2.0-dropbear_2022.83"});
  tunnel.session(PhaseCompleted{OpeningPhase::key_exchange}).session(PhaseCompleted{OpeningPhase::authenticate});
  tunnel.session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::opened}).wait();
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].text.find("Dropbear's option -K") != std::string::npos);
  CHECK(tunnel.lines[0].failure->remedy == remedy(*tunnel.lines[0].failure));

  tunnel.session(SessionFailed{lost()}).wait();
  tunnel.session(PhaseCompleted{OpeningPhase::resolve}).session(PhaseCompleted{OpeningPhase::connect}).wait();
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::phase_timed_out);
  CHECK(remedy(tunnel.in<BackingOff>().failure).find("MaxStartups") == std::string_view::npos);
}

TEST_CASE("a proof that a Dropbear relay does not permit is explained in Dropbear's words") {
  SteppedTunnel tunnel{spec_with(1, 1h)};
  tunnel.open_until(OpeningPhase::banner).session(PhaseCompleted{OpeningPhase::banner, "SSH-2.0-dropbear_2022.83"});
  tunnel.session(PhaseCompleted{OpeningPhase::key_exchange}).session(PhaseCompleted{OpeningPhase::authenticate});
  tunnel.session(ForwardAnswered{0, 4649}).session(ProofAdvanced{0, ProofNews::not_permitted});
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].text.find("option -j") != std::string::npos);
  CHECK(remedy(*proof_of(tunnel.state.phase, 0)->failure).find("option -j") != std::string_view::npos);
}

TEST_CASE("with exit_on_forward_failure a held listener keeps the session, not up, for ten minutes") {
  TunnelSpec spec = spec_with(1);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered});
  CHECK(tunnel.phase() == "requesting_forwards");
  CHECK_FALSE(is_up(tunnel.state));
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].failure->cause == Cause::listener_held_live);

  const TimePoint refused = tunnel.now;
  while (tunnel.phase() == "requesting_forwards") {
    tunnel.wait();
    if (tunnel.actions != Actions{RequestForward{0}}) continue;
    tunnel.session(ForwardAnswered{0, std::nullopt});
    if (tunnel.actions == Actions{Knock{0, "localhost"}}) tunnel.session(Knocked{0, KnockAnswer::answered});
    if (tunnel.phase() != "closing") REQUIRE(tunnel.lines.empty());  // said once
  }
  CHECK(tunnel.now >= refused + 10min);
  CHECK(tunnel.now < refused + 12min);
  CHECK(tunnel.actions == Actions{CloseSession{}});
}

TEST_CASE("with exit_on_forward_failure a listener that is freed makes the tunnel, on the same session") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered});
  CHECK(tunnel.wait().actions == Actions{RequestForward{0}});
  tunnel.session(ForwardAnswered{0, 4649});
  CHECK(is_up(tunnel.state));
  CHECK(tunnel.state.attempt == 1);
  CHECK(tunnel.lines.back().text == "established: localhost:4649 -> localhost:22");
}

TEST_CASE("without exit_on_forward_failure the session is established, is not up, and asks again until it holds all") {
  TunnelSpec spec = spec_with(3);
  spec.exit_on_forward_failure = false;
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered});
  tunnel.session(ForwardAnswered{1, 4650}).session(ForwardAnswered{2, std::nullopt});
  CHECK(tunnel.session(Knocked{2, KnockAnswer::answered}).actions.empty());
  CHECK(tunnel.phase() == "established");
  CHECK_FALSE(is_up(tunnel.state));
  REQUIRE(tunnel.lines.size() == 2);
  CHECK(tunnel.lines[0].failure->subject == "localhost:4651");
  CHECK(tunnel.lines[1].text == "established: localhost:4650 -> localhost:23");

  CHECK(tunnel.wait().actions == Actions{RequestForward{0}});
  CHECK(tunnel.session(ForwardAnswered{0, 4649}).actions == Actions{RequestForward{2}});
  CHECK(tunnel.lines[0].text == "now holding localhost:4649 -> localhost:22");
  tunnel.session(ForwardAnswered{2, std::nullopt});
  CHECK(tunnel.wait().actions == Actions{RequestForward{2}});
  tunnel.session(ForwardAnswered{2, 4651});
  CHECK(is_up(tunnel.state));
  CHECK_FALSE(next_deadline(tunnel.state));
}

TEST_CASE("a forward asked for again and never answered ends the session") {
  TunnelSpec spec = spec_with(1);
  spec.exit_on_forward_failure = false;
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered}).wait();
  REQUIRE(tunnel.actions == Actions{RequestForward{0}});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 30s);
  CHECK(tunnel.wait().actions == Actions{ParkSession{}});
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::phase_timed_out);
}

TEST_CASE("a hole in the signal while a forward is asked for again is judged by the liveness rule alone") {
  TunnelSpec spec = spec_with(2);
  spec.exit_on_forward_failure = false;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, 4649}).session(ForwardAnswered{1, std::nullopt});
  tunnel.session(Knocked{1, KnockAnswer::answered}).wait();
  REQUIRE(tunnel.actions == Actions{RequestForward{1}});
  CHECK(next_deadline(tunnel.state) == tunnel.in<Established>().session.liveness.due());
  CHECK(tunnel.wait().actions == Actions{SendKeepalive{}});
}

// ---- the lease ----------------------------------------------------------------------------------------------------

TEST_CASE("the lease is opened beside the forwards, records what is held, and beats at every interval") {
  SteppedTunnel tunnel{leased(2)};
  tunnel.authenticate();
  CHECK(tunnel.actions == Actions{RequestForward{0}, OpenLease{240s}});
  tunnel.session(ForwardAnswered{0, 4649});
  CHECK(tunnel.session(LeaseOpened{}).actions == Actions{RecordLease{0}});
  CHECK(tunnel.session(ForwardAnswered{1, 4650}).actions == Actions{RecordLease{1}});
  CHECK(tunnel.phase() == "established");

  for (int beat = 1; beat <= 5; ++beat) {
    tunnel.now = tunnel.now + 59s;
    tunnel.session(Received{true});
    tunnel.now = tunnel.now + 1s;
    CHECK(tunnel.after(TimerExpired{}).actions == Actions{SendHeartbeat{}});
  }
}

TEST_CASE("no keepalive goes out beside a heartbeat that is on its way, and a relay that echoes none is found dead") {
  SteppedTunnel tunnel{leased(1)};
  tunnel.establish().session(LeaseOpened{});
  for (int beat = 1; beat <= 5; ++beat) {
    CHECK(tunnel.wait().actions == Actions{SendHeartbeat{}});
    tunnel.now += 60ms;
    CHECK(tunnel.after(TimerExpired{}).actions.empty());
    tunnel.session(Received{true});
  }
  const TimePoint heard = tunnel.now;
  while (tunnel.phase() == "established") {
    tunnel.wait();
    CHECK(std::count(tunnel.actions.begin(), tunnel.actions.end(), TunnelAction{SendKeepalive{}}) == 0);
  }
  CHECK(tunnel.now == heard + 240s);
}

TEST_CASE("economy: heartbeats are rarer, the guard more patient, and acknowledgements keep the session between them") {
  TunnelSpec spec = leased(1);
  spec.liveness.intervals_per_probe = 5;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate();
  CHECK(tunnel.actions == Actions{RequestForward{0}, OpenLease{480s}});
  tunnel.session(ForwardAnswered{0, 4649}).session(LeaseOpened{});
  const TimePoint heard = tunnel.now;
  while (tunnel.now < heard + 300s) {
    tunnel.now = next_deadline(tunnel.state).value();
    tunnel.after(TimerExpired{tunnel.now - 30s});
    CHECK(tunnel.actions == (tunnel.now < heard + 300s ? Actions{} : Actions{SendHeartbeat{}}));
  }
  CHECK(tunnel.now == heard + 300s);
  CHECK(tunnel.phase() == "established");
}

TEST_CASE("economy: a path without acknowledgements is given up after the usual time, and the dead socket kept") {
  TunnelSpec spec = spec_with(1);
  spec.liveness.intervals_per_probe = 5;
  SteppedTunnel tunnel{spec};
  tunnel.establish();
  const TimePoint heard = tunnel.now;
  tunnel.now += 240s;
  CHECK(tunnel.after(TimerExpired{heard}).actions == Actions{ParkSession{}});
  CHECK(tunnel.lines[0].failure->cause == Cause::relay_silent);
  CHECK(tunnel.lines[0].failure->detail == "nothing acknowledged for 4 min 0 s");
}

TEST_CASE("a stale listener of ours is evicted as soon as the lease is open, and the tunnel stands") {
  SteppedTunnel tunnel{leased(1)};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::opened});
  CHECK(tunnel.session(LeaseOpened{}).actions.empty());
  CHECK(tunnel.wait().actions == Actions{EndKnock{}, Evict{0}});
  CHECK(tunnel.session(Evicted{0, EvictOutcome::freed, ""}).actions == Actions{RequestForward{0}});
  CHECK(tunnel.lines[0].text == "ended a dead session of this device, which held localhost:4649");
  CHECK(tunnel.session(ForwardAnswered{0, 4649}).actions == Actions{RecordLease{0}});
  CHECK(is_up(tunnel.state));
  CHECK(tunnel.state.failover.here().last_eviction == tunnel.now);
}

TEST_CASE("without a lease the keepalives do the heartbeats' work") {
  SteppedTunnel tunnel{leased(1)};
  tunnel.establish().session(LeaseLost{"the account has no shell"});
  CHECK(tunnel.lines[0].text == "no lease on the relay: the account has no shell");
  CHECK(tunnel.wait().actions == Actions{SendKeepalive{}});
}

TEST_CASE("a lease that was lost is tried again, if it ever worked on this session") {
  SteppedTunnel tunnel{leased(1)};
  tunnel.establish().session(LeaseOpened{}).session(LeaseLost{"the relay's script has ended"});
  const TimePoint lost = tunnel.now;
  CHECK(tunnel.wait().actions == Actions{OpenLease{240s}});
  CHECK(tunnel.now == lost + 10s);
  tunnel.session(LeaseLost{"the account runs no commands"});
  CHECK(next_deadline(tunnel.state) == tunnel.in<Established>().session.liveness.due());
}

TEST_CASE("a lease whose script never answers is given up, and so is what waited for it") {
  TunnelSpec spec = leased(1);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.establish();
  CHECK(next_deadline(tunnel.state) == tunnel.now + 30s);
  CHECK(tunnel.wait().actions == Actions{EndLease{}});
  CHECK_FALSE(next_deadline(tunnel.state));
}

TEST_CASE("what was asked of a lease that went stays open, and the ladder goes on") {
  SteppedTunnel tunnel{leased(1)};
  tunnel.authenticate().session(LeaseOpened{}).session(ForwardAnswered{0, std::nullopt});
  REQUIRE(tunnel.session(Knocked{0, KnockAnswer::answered}).actions == Actions{Identify{0}});
  tunnel.session(LeaseLost{"the relay's script has ended"});
  CHECK(tunnel.wait().actions == Actions{RequestForward{0}});
}

TEST_CASE("the lease is not asked for beside a forward whose port the relay is to choose") {
  TunnelSpec spec = leased(2);
  spec.remote_forward[1].port = 0;
  SteppedTunnel tunnel{spec};
  CHECK(tunnel.authenticate().actions == Actions{RequestForward{1}});
  CHECK(tunnel.session(ForwardAnswered{1, 41000}).actions == Actions{RequestForward{0}, OpenLease{240s}});
}

TEST_CASE("a relay that is asked to choose a port is asked for the lease once it has") {
  TunnelSpec spec = leased(2);
  spec.remote_forward[0].port = 0;
  SteppedTunnel tunnel{spec};
  CHECK(tunnel.authenticate().actions == Actions{RequestForward{0}});
  CHECK(tunnel.session(ForwardAnswered{0, 41000}).actions == Actions{RequestForward{1}, OpenLease{240s}});
}

TEST_CASE("a lease that comes up records what is held before it ends the session that holds what is refused") {
  SteppedTunnel tunnel{leased(2)};
  tunnel.authenticate().session(ForwardAnswered{0, 4649}).session(ForwardAnswered{1, std::nullopt});
  REQUIRE(tunnel.actions == Actions{Knock{1, "localhost"}});
  tunnel.session(Knocked{1, KnockAnswer::opened}).wait();
  REQUIRE(tunnel.table()[1].state == ForwardState::refused);
  CHECK(tunnel.session(LeaseOpened{}).actions == Actions{RecordLease{0}, Evict{1}});
}

TEST_CASE("a lease that was lost before the connections drain is not opened again") {
  TunnelSpec spec = leased(1);
  spec.drain_timeout = 10min;
  SteppedTunnel tunnel{spec};
  tunnel.establish().session(LeaseOpened{}).session(LeaseLost{"the relay's script has ended"});
  tunnel.after(StopRequested{});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 10min);
}

TEST_CASE("a lease that is lost while the connections drain is neither fed nor opened again") {
  TunnelSpec spec = leased(1);
  spec.drain_timeout = 10min;
  SteppedTunnel tunnel{spec};
  tunnel.establish().session(LeaseOpened{}).after(StopRequested{});
  REQUIRE(next_deadline(tunnel.state) == tunnel.now + 60s);
  tunnel.session(LeaseLost{"the relay's script has ended"});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 10min);
}

TEST_CASE("a lease that is lost twice after the same silence has a timeout, which is known of the relay") {
  SteppedTunnel tunnel{leased(1)};
  tunnel.establish();
  for (int loss = 0; loss < 2; ++loss) {
    CHECK(tunnel.state.failover.here().timeouts.known().empty());
    tunnel.session(LeaseOpened{});
    tunnel.now += 20s;
    tunnel.session(LeaseLost{"the relay's script has ended"});
    if (loss == 0) REQUIRE(tunnel.wait().actions == Actions{OpenLease{240s}});
  }
  CHECK(tunnel.state.failover.here().timeouts.known() == std::vector<Timeout>{{TimeoutOf::idle_lease, 20s}});
}

TEST_CASE(
    "a listener that is held for too long ends the session, also if the lease's timer is the first to come then") {
  TunnelSpec spec = leased(1);
  spec.relays = {{"a.example", 22, "/known", {}}, {"b.example", 22, "/known", {}}};
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered});
  tunnel.now += 30s;
  CHECK(tunnel.after(TimerExpired{}).actions == Actions{EndLease{}, CloseSession{}});
}

TEST_CASE("the guard on the relay is fed until the connections are drained") {
  TunnelSpec spec = leased(1);
  spec.drain_timeout = 10min;
  SteppedTunnel tunnel{spec};
  tunnel.establish().session(LeaseOpened{}).after(StopRequested{});
  for (int beat = 1; beat <= 9; ++beat) {
    CHECK(tunnel.wait().actions == Actions{SendHeartbeat{}});
  }
  CHECK(tunnel.wait().actions == Actions{SendHeartbeat{}, CloseSession{}});
}

TEST_CASE("a guard that begins while the connections drain is fed as well") {
  TunnelSpec spec = leased(1);
  spec.drain_timeout = 10min;
  SteppedTunnel tunnel{spec};
  tunnel.establish().after(StopRequested{}).session(LeaseOpened{});
  const TimePoint opened = tunnel.now;
  CHECK(tunnel.wait().actions == Actions{SendHeartbeat{}});
  CHECK(tunnel.now == opened + 60s);
}

TEST_CASE("a guard bears one late heartbeat even where no probe may go unanswered") {
  TunnelSpec spec = leased(1);
  spec.liveness = {10s, 0};
  SteppedTunnel tunnel{spec};
  CHECK(tunnel.authenticate().actions == Actions{RequestForward{0}, OpenLease{20s}});
}

// ---- the network --------------------------------------------------------------------------------------------------

TEST_CASE("a change of the network ends a wait, and a dial that may be on a dead route") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{}).session(SessionFailed{lost()});
  CHECK(tunnel.after(NetworkChanged{}).actions == Actions{Dial{}});
  tunnel.session(PhaseCompleted{OpeningPhase::resolve});
  CHECK(tunnel.after(NetworkChanged{}).actions == Actions{DropSession{}, Dial{}});
  CHECK(tunnel.state.attempt == 3);
}

TEST_CASE("after a change of the network a long outage is met like a young one") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{}).session(PhaseCompleted{OpeningPhase::resolve});
  tunnel.now += 1h;
  tunnel.after(TimerExpired{});
  tunnel.wait().session(PhaseCompleted{OpeningPhase::resolve});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 30s);
  tunnel.after(NetworkChanged{});
  tunnel.session(PhaseCompleted{OpeningPhase::resolve});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 3s);
  tunnel.session(SessionFailed{lost()});
  CHECK(*next_deadline(tunnel.state) <= tunnel.now + 1s);
}

TEST_CASE("after a change of the network a wait that has grown long is followed by short attempts") {
  SteppedTunnel tunnel = after_a_long_outage(spec_with(1));
  tunnel.state.phase = BackingOff{tunnel.now + 30s, 0, lost()};
  CHECK(tunnel.after(NetworkChanged{}).actions == Actions{Dial{}});
  tunnel.session(PhaseCompleted{OpeningPhase::resolve});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 3s);
}

TEST_CASE("a change of the network ends the wait for an address of the device's, not for its key") {
  const auto after_a_change = [](Cause cause) {
    SteppedTunnel tunnel{spec_with(1)};
    tunnel.after(Start{}).session(SessionFailed{{cause, "bind", "192.0.2.7", ""}});
    return tunnel.after(NetworkChanged{}).actions;
  };
  CHECK(after_a_change(Cause::local_address_unavailable) == Actions{Dial{}});
  CHECK(after_a_change(Cause::identity_unusable).empty());
  CHECK(after_a_change(Cause::agent_unusable).empty());
}

TEST_CASE("a change of the network does not make a refused key knock again") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.open_until(OpeningPhase::authenticate);
  tunnel.session(SessionFailed{{Cause::authentication_refused, "authenticate to", "relay.example:22", ""}});
  CHECK(tunnel.after(NetworkChanged{}).actions.empty());
  CHECK(tunnel.phase() == "backing_off");
}

TEST_CASE("a live session has five seconds to prove itself after a change of the network") {
  SteppedTunnel tunnel{spec_with(1)};
  CHECK(tunnel.establish().after(NetworkChanged{}).actions == Actions{SendKeepalive{}});
  CHECK(tunnel.after(NetworkChanged{}).actions.empty());
  tunnel.session(Received{true});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 60s);

  tunnel.after(NetworkChanged{});
  tunnel.session(Received{false});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 5s);
  CHECK(tunnel.wait().actions == Actions{ParkSession{}});
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::relay_silent);
}

TEST_CASE("a live session whose packets now leave by another link has one second") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish().after(NetworkChanged{});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 5s);
  CHECK(tunnel.after(NetworkChanged{true}).actions.empty());  // the question is under way
  CHECK(next_deadline(tunnel.state) == tunnel.now + 1s);
  tunnel.now += 500ms;
  tunnel.after(NetworkChanged{});  // and back again
  CHECK(next_deadline(tunnel.state) == tunnel.now + 5s);
  tunnel.session(Received{true});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 60s);
}

TEST_CASE("what TCP is about to repeat after a hole gets the time for it") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish().after(NetworkChanged{false, 13s});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 18s);
  tunnel.after(NetworkChanged{false, 100s});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 30s);
}

TEST_CASE("the dead session's socket is reset as soon as there is a path to the relay again") {
  SteppedTunnel tunnel{spec_with(1)};
  CHECK(tunnel.establish().session(SessionFailed{lost()}).actions == Actions{ParkSession{}});
  tunnel.wait().session(PhaseCompleted{OpeningPhase::resolve});
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::connect}).actions == Actions{ResetParked{}, OpenSession{}});
}

// ---- liveness -----------------------------------------------------------------------------------------------------

TEST_CASE("a silent relay is declared dead after three unanswered probes, 240 s after the last packet") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish();
  const TimePoint last_packet = tunnel.now;
  for (int probe = 1; probe <= 3; ++probe) {
    CHECK(tunnel.wait().actions == Actions{SendKeepalive{}});
    CHECK(tunnel.now == last_packet + probe * 60s);
  }
  CHECK(tunnel.wait().actions == Actions{ParkSession{}});
  CHECK(tunnel.now == last_packet + 240s);
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::relay_silent);
}

TEST_CASE("any whole packet starts the count over; bytes of half a packet only move the clock") {
  for (const bool whole : {false, true}) {
    CAPTURE(whole);
    SteppedTunnel tunnel{spec_with(1)};
    tunnel.establish().wait().wait();
    tunnel.now += 30s;
    tunnel.session(Received{whole});
    CHECK(next_deadline(tunnel.state) == tunnel.now + 60s);
    for (int probes = whole ? 3 : 1; probes > 0; --probes) CHECK(tunnel.wait().actions == Actions{SendKeepalive{}});
    CHECK(tunnel.wait().actions == Actions{ParkSession{}});
  }
}

// ---- the way down -------------------------------------------------------------------------------------------------

TEST_CASE("a stop cancels every listener, waits for the answers and the connections, and then closes") {
  SteppedTunnel tunnel{spec_with(2)};
  CHECK(tunnel.establish().after(StopRequested{}).actions ==
        Actions{DrainConnections{}, CancelForward{0}, CancelForward{1}});
  CHECK(tunnel.session(ListenerCancelled{1}).actions.empty());
  CHECK(tunnel.session(ConnectionsDrained{}).actions.empty());
  CHECK(tunnel.session(ListenerCancelled{0}).actions == Actions{CloseSession{}});
  CHECK(tunnel.session(SessionClosed{}).actions == Actions{DropSession{}});
  CHECK(tunnel.phase() == "stopped");
}

TEST_CASE("a drain ends at drain_timeout and a teardown after five seconds, whatever the relay does") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish().after(StopRequested{});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 5s);
  CHECK(tunnel.wait().actions == Actions{CloseSession{}});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 5s);
  CHECK(tunnel.wait().actions == Actions{DropSession{}});
  CHECK(tunnel.phase() == "stopped");
}

TEST_CASE("a forward that is being asked for when the stop comes is cancelled too") {
  SteppedTunnel tunnel{spec_with(3)};
  tunnel.authenticate().session(ForwardAnswered{0, 4649});
  CHECK(tunnel.after(StopRequested{}).actions == Actions{DrainConnections{}, CancelForward{0}, CancelForward{1}});
  CHECK(tunnel.session(ForwardAnswered{1, 4650}).actions.empty());
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{});
  CHECK(tunnel.phase() == "draining");
  CHECK(tunnel.session(ListenerCancelled{1}).actions == Actions{CloseSession{}});
}

TEST_CASE("the way down is told: what is given up, and that it has stopped") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish().after(StopRequested{});
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].text == "giving up the listeners and draining connections");
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).session(SessionClosed{});
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].text == "stopped");
}

TEST_CASE("a reconnect gives the listeners back first and then dials at once") {
  SteppedTunnel tunnel{spec_with(1)};
  CHECK(tunnel.establish().after(ReconnectRequested{}).actions == Actions{DrainConnections{}, CancelForward{0}});
  CHECK(tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).actions == Actions{CloseSession{}});
  CHECK(tunnel.session(SessionClosed{}).actions == Actions{DropSession{}, Dial{}});
  CHECK(tunnel.phase() == "opening");
  CHECK(tunnel.state.attempt == 2);
}

TEST_CASE("a stop that comes during a reconnect wins") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish().after(ReconnectRequested{}).after(StopRequested{});
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).session(SessionClosed{});
  CHECK(tunnel.phase() == "stopped");

  SteppedTunnel refused{spec_with(1)};
  refused.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::nobody_listens});
  refused.session(ForwardAnswered{0, std::nullopt}).after(StopRequested{}).session(SessionClosed{});
  CHECK(refused.phase() == "stopped");
}

TEST_CASE("a session that fails on its way down is dropped and what was to follow follows") {
  SteppedTunnel stopping{spec_with(1)};
  CHECK(stopping.establish().after(StopRequested{}).session(SessionFailed{lost()}).actions == Actions{DropSession{}});
  CHECK(stopping.phase() == "stopped");

  SteppedTunnel reconnecting{spec_with(1)};
  reconnecting.establish().after(ReconnectRequested{});
  CHECK(reconnecting.session(SessionFailed{lost()}).actions == Actions{DropSession{}, Dial{}});
}

TEST_CASE("a tunnel that stands by logs in, asks for nothing, and asks for its listeners when it may proceed") {
  SteppedTunnel tunnel{leased(2)};
  tunnel.open_until(OpeningPhase::key_exchange, true);
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::key_exchange}).actions == Actions{Authenticate{false}});
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::authenticate}).actions.empty());
  CHECK(tunnel.phase() == "standing_by");
  CHECK(tunnel.lines.at(0).text == "logged in, and standing by");
  CHECK(has_no_listener(tunnel.state.phase));
  CHECK(forwards_of(tunnel.state.phase) == nullptr);
  CHECK(tunnel.wait().actions == Actions{SendKeepalive{}});
  tunnel.after(Proceed{});
  REQUIRE(tunnel.actions.size() == 2);
  CHECK(tunnel.actions[0] == TunnelAction{RequestForward{0}});
  CHECK(std::holds_alternative<OpenLease>(tunnel.actions[1]));
  CHECK(tunnel.phase() == "requesting_forwards");
}

TEST_CASE("a tunnel that may proceed before it is logged in is as any other") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.open_until(OpeningPhase::key_exchange, true).after(Proceed{});
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::key_exchange}).actions == Actions{Authenticate{}});
  CHECK(tunnel.session(PhaseCompleted{OpeningPhase::authenticate}).actions == Actions{RequestForward{0}});
}

TEST_CASE("a tunnel that stands by and loses its session stands by again") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.stand_by().session(SessionFailed{lost()});
  CHECK(tunnel.phase() == "backing_off");
  CHECK(has_no_listener(tunnel.state.phase));
  tunnel.wait();
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  CHECK(tunnel.phase() == "standing_by");
}

TEST_CASE("a tunnel has no listener until the relay is asked for the first") {
  SteppedTunnel tunnel{spec_with(1)};
  CHECK(has_no_listener(tunnel.state.phase));
  tunnel.open_until(OpeningPhase::key_exchange);
  CHECK(tunnel.phase() == "opening");
  CHECK(has_no_listener(tunnel.state.phase));
  tunnel.session(PhaseCompleted{OpeningPhase::key_exchange}).session(PhaseCompleted{OpeningPhase::authenticate});
  CHECK(tunnel.phase() == "requesting_forwards");
  CHECK_FALSE(has_no_listener(tunnel.state.phase));
}

TEST_CASE("a tunnel has no listener once the relay has confirmed that they are cancelled, or the session is gone") {
  SteppedTunnel tunnel{spec_with(2)};
  tunnel.establish();
  CHECK_FALSE(has_no_listener(tunnel.state.phase));
  tunnel.after(StopRequested{}).session(ListenerCancelled{0});
  CHECK_FALSE(has_no_listener(tunnel.state.phase));
  SUBCASE("confirmed, while connections are open") {
    tunnel.session(ListenerCancelled{1});
    CHECK(has_no_listener(tunnel.state.phase));
    CHECK(has_no_listener(tunnel.wait().state.phase));
    CHECK(tunnel.phase() == "closing");
  }
  SUBCASE("confirmed, and no connection is open") {
    tunnel.session(ConnectionsDrained{}).session(ListenerCancelled{1});
    CHECK(tunnel.phase() == "closing");
    CHECK(has_no_listener(tunnel.state.phase));
  }
  SUBCASE("never confirmed") {
    tunnel.wait();
    CHECK(tunnel.phase() == "closing");
    CHECK_FALSE(has_no_listener(tunnel.state.phase));
    CHECK(has_no_listener(tunnel.wait().state.phase));
    CHECK(tunnel.phase() == "stopped");
  }
}
