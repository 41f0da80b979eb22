#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// Established, with the proof of the first forward under way. No liveness and no lease: every deadline is a proof's.
SteppedTunnel proving(std::size_t forwards = 1) {
  TunnelSpec spec = spec_with(forwards, 1h);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.establish();
  return tunnel;
}

SteppedTunnel& news(SteppedTunnel& tunnel, ProofNews what, std::size_t forward = 0, bool in_use = false) {
  return tunnel.session(
      ProofAdvanced{forward, what, what == ProofNews::target_failed ? "Connection refused" : "", in_use});
}

const Proof& result(const SteppedTunnel& tunnel, std::size_t forward = 0) {
  const Proof* proof = proof_of(tunnel.state.phase, forward);
  REQUIRE(proof != nullptr);
  return *proof;
}

SteppedTunnel& verify(SteppedTunnel& tunnel) {
  news(tunnel, ProofNews::opened);
  news(tunnel, ProofNews::returned);
  return news(tunnel, ProofNews::answered);
}

/// The relay does not answer, whatever it is asked for.
SteppedTunnel& never_answer(SteppedTunnel& tunnel) {
  CHECK(tunnel.wait().actions == Actions{Prove{0, "127.0.0.1"}});
  CHECK(tunnel.wait().actions == Actions{Prove{0, "::1"}});
  return tunnel.wait();
}

/// The relay knows no localhost, and permits nothing else.
SteppedTunnel& fail_to_look_up(SteppedTunnel& tunnel) {
  tunnel.session(ProofAdvanced{0, ProofNews::not_connected, "Name or service not known"});
  CHECK(tunnel.actions == Actions{Prove{0, "127.0.0.1"}});
  CHECK(news(tunnel, ProofNews::not_permitted).actions == Actions{Prove{0, "::1"}});
  return news(tunnel, ProofNews::not_permitted);
}

/// The connection opens and never comes back.
SteppedTunnel& fail_to_return(SteppedTunnel& tunnel, bool in_use = false) {
  news(tunnel, ProofNews::opened, 0, in_use);
  return tunnel.wait();
}

/// Goes on with broken paths, proof after proof, until the session is given up; how long that took.
Duration until_given_up(SteppedTunnel& tunnel) {
  const TimePoint began = tunnel.now;
  while (tunnel.phase() == "established") {
    REQUIRE(tunnel.now - began < 100h);
    fail_to_return(tunnel);
    if (tunnel.phase() == "established") tunnel.wait();
  }
  return tunnel.now - began;
}

/// From the drain to the next session's first proof.
void renew(SteppedTunnel& tunnel) {
  REQUIRE(tunnel.phase() == "draining");
  tunnel.wait().wait();
  REQUIRE(tunnel.phase() == "backing_off");
  tunnel.wait();
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    tunnel.session(PhaseCompleted{phase});
  }
  tunnel.session(ForwardAnswered{0, 4649});
  REQUIRE(tunnel.actions == Actions{Prove{0, "localhost"}});
}

}  // namespace

TEST_CASE("a forward is proven as soon as it is held, and the tunnel is up without waiting for it") {
  SteppedTunnel tunnel = proving();
  CHECK(tunnel.actions == Actions{Prove{0, "localhost"}});
  CHECK(is_up(tunnel.state));
  CHECK(proof_of(tunnel.state.phase, 0) == nullptr);
  CHECK_FALSE(is_proven(tunnel.state, tunnel.spec, tunnel.now));
  CHECK(verify(tunnel).actions == Actions{EndProof{}});
  CHECK(result(tunnel) == Proof{ProofResult::verified, tunnel.now, 0, std::nullopt});
  CHECK(is_proven(tunnel.state, tunnel.spec, tunnel.now));
}

TEST_CASE("a tunnel without a session is not proven, nor is one of whose listeners one is lost") {
  SteppedTunnel tunnel{spec_with(1, 1h)};
  CHECK_FALSE(is_proven(tunnel.state, tunnel.spec, tunnel.now));
  SteppedTunnel nothing{spec_with(0, 1h)};
  CHECK_FALSE(is_proven(nothing.state, nothing.spec, nothing.now));
}

TEST_CASE("with verify_interval 0 nothing is proven") {
  SteppedTunnel tunnel{spec_with(1, 0s)};
  CHECK(tunnel.establish().actions.empty());
}

TEST_CASE("bytes that come before the mark count once that has come") {
  SteppedTunnel tunnel = proving();
  news(tunnel, ProofNews::opened);
  CHECK(news(tunnel, ProofNews::answered).actions.empty());
  CHECK(news(tunnel, ProofNews::returned).actions == Actions{EndProof{}});
  CHECK(result(tunnel).result == ProofResult::verified);
}

TEST_CASE("bytes without the mark are somebody else's") {
  SteppedTunnel tunnel = proving();
  news(tunnel, ProofNews::opened);
  news(tunnel, ProofNews::answered);
  CHECK(tunnel.wait().actions == Actions{EndProof{}});
  CHECK(result(tunnel).result == ProofResult::path_broken);
  CHECK(describe(*result(tunnel).failure) == "verify localhost:4649: path broken (somebody else answers there)");
}

TEST_CASE("a target that took the connection and is silent, or ends it, is connected") {
  SteppedTunnel tunnel = proving();
  news(tunnel, ProofNews::opened);
  news(tunnel, ProofNews::returned);
  SUBCASE("silent") {
    CHECK(next_deadline(tunnel.state) == tunnel.now + 3s);
    tunnel.wait();
  }
  SUBCASE("ends it") {
    news(tunnel, ProofNews::ended);
  }
  CHECK(result(tunnel).result == ProofResult::connected);
  CHECK(is_proven(tunnel.state, tunnel.spec, tunnel.now));
}

TEST_CASE("each way in which a proof fails has its own result") {
  SteppedTunnel tunnel = proving();
  SUBCASE("the relay never answers") {
    CHECK(never_answer(tunnel).actions == Actions{EndProof{}});
    CHECK(result(tunnel).result == ProofResult::unanswered);
    CHECK(result(tunnel).failure->detail == "the relay did not connect to 127.0.0.1 (no answer within 10 s)");
  }
  SUBCASE("the relay can't open it") {
    news(tunnel, ProofNews::not_opened);
    CHECK(result(tunnel).result == ProofResult::unanswered);
  }
  SUBCASE("nobody listens") {
    news(tunnel, ProofNews::nobody_listens);
    CHECK(result(tunnel).result == ProofResult::path_broken);
  }
  SUBCASE("nothing comes back") {
    fail_to_return(tunnel);
    CHECK(result(tunnel).result == ProofResult::path_broken);
  }
  SUBCASE("somebody else speaks") {
    news(tunnel, ProofNews::opened);
    news(tunnel, ProofNews::stranger);
    CHECK(result(tunnel).result == ProofResult::path_broken);
  }
  SUBCASE("somebody else hangs up") {
    news(tunnel, ProofNews::opened);
    news(tunnel, ProofNews::ended);
    CHECK(result(tunnel).result == ProofResult::path_broken);
  }
  SUBCASE("the target is down") {
    news(tunnel, ProofNews::opened);
    news(tunnel, ProofNews::target_failed);
    CHECK(result(tunnel).result == ProofResult::target_down);
    CHECK(describe(*result(tunnel).failure) == "connect to localhost:22: target down (Connection refused)");
  }
  CHECK(result(tunnel).failures == 1);
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].failure == result(tunnel).failure);
  CHECK(is_up(tunnel.state));
  CHECK_FALSE(is_proven(tunnel.state, tunnel.spec, tunnel.now));
}

TEST_CASE("a good proof is repeated after the interval, a quarter more or less, and is too old after two") {
  for (const double dice : {0.0, 0.5, 1.0}) {
    SteppedTunnel tunnel = proving();
    tunnel.dice = dice;
    verify(tunnel);
    const TimePoint proven = tunnel.now;
    CHECK(next_deadline(tunnel.state) == proven + 45min + std::chrono::minutes{static_cast<int>(30 * dice)});
    CHECK(tunnel.wait().actions == Actions{Prove{0, "localhost"}});
    CHECK(is_proven(tunnel.state, tunnel.spec, proven + 2h));
    CHECK_FALSE(is_proven(tunnel.state, tunnel.spec, proven + 2h + 1ns));
  }
}

TEST_CASE("a target that is down is looked at again after half a minute, then ever more rarely, never reconnected") {
  SteppedTunnel tunnel = proving();
  std::vector<Duration> waits;
  for (int n = 0; n < 9; ++n) {
    news(tunnel, ProofNews::opened);
    news(tunnel, ProofNews::target_failed);
    waits.push_back(next_deadline(tunnel.state).value() - tunnel.now);
    CHECK(tunnel.lines.size() == (n == 0 ? 1 : 0));  // told once
    CHECK(tunnel.wait().actions == Actions{Prove{0, "localhost"}});
  }
  CHECK(waits == std::vector<Duration>{30s, 1min, 2min, 4min, 8min, 16min, 32min, 1h, 1h});
  CHECK(tunnel.state.attempt == 1);
  verify(tunnel);
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].text == "verified: localhost:4649 -> localhost:22");
  CHECK(tunnel.lines[0].level == LogLevel::info);
}

TEST_CASE("what is not permitted is told once, is no failure, and is not asked again on this session") {
  SteppedTunnel tunnel = proving();
  news(tunnel, ProofNews::not_permitted);
  CHECK(result(tunnel).failures == 0);
  REQUIRE(tunnel.lines.size() == 1);
  CHECK_FALSE(tunnel.lines[0].failure);
  CHECK_FALSE(next_deadline(tunnel.state));
  CHECK_FALSE(is_proven(tunnel.state, tunnel.spec, tunnel.now));
}

TEST_CASE("a relay that can't look localhost up is asked for the address, from then on at once") {
  SteppedTunnel tunnel = proving();
  SUBCASE("it says so") {
    tunnel.session(ProofAdvanced{0, ProofNews::not_connected, "Name or service not known"});
  }
  SUBCASE("it is held up by a name server that does not answer") {
    tunnel.wait();
  }
  CHECK(tunnel.actions == Actions{Prove{0, "127.0.0.1"}});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 10s);
  CHECK(verify(tunnel).actions == Actions{EndProof{}});
  CHECK(result(tunnel).result == ProofResult::verified);
  CHECK(tunnel.wait().actions == Actions{Prove{0, "127.0.0.1"}});
}

TEST_CASE("where only the name is permitted nothing is known: no failure, told once, and looked at again each time") {
  SteppedTunnel tunnel = proving();
  fail_to_look_up(tunnel);
  CHECK(tunnel.actions == Actions{EndProof{}});
  CHECK(result(tunnel).result == ProofResult::lookup_failed);
  CHECK(result(tunnel).failures == 0);
  CHECK(result(tunnel).failure->detail == "the relay can't look up localhost (Name or service not known)");
  REQUIRE(tunnel.lines.size() == 1);
  CHECK(tunnel.lines[0].level == LogLevel::info);
  CHECK_FALSE(tunnel.lines[0].failure);
  CHECK(tunnel.lines[0].text ==
        "can't be verified: localhost:4649 -> localhost:22: the relay can't look up localhost (Name or service not "
        "known). " +
            std::string{remedy(Cause::proof_lookup_failed)});
  CHECK_FALSE(is_proven(tunnel.state, tunnel.spec, tunnel.now));
  for (int n = 0; n < 50; ++n) {
    CHECK(next_deadline(tunnel.state) == tunnel.now + 1h);
    REQUIRE(tunnel.wait().actions == Actions{Prove{0, "localhost"}});  // somebody may have mended it
    fail_to_look_up(tunnel);
    REQUIRE(tunnel.phase() == "established");
    CHECK(tunnel.lines.empty());
  }
}

TEST_CASE("a relay that did not connect to an address either did not look, and keeps its session") {
  SteppedTunnel tunnel = proving();
  for (unsigned n = 1; n < 50; ++n) {
    for (const std::string host : {"localhost", "127.0.0.1", "::1"}) {
      CHECK(tunnel.actions == Actions{Prove{0, host}});
      tunnel.session(ProofAdvanced{0, ProofNews::not_connected, "Too many open files"});
    }
    CHECK(result(tunnel).result == ProofResult::unanswered);
    CHECK(result(tunnel).failures == n);
    CHECK(result(tunnel).failure->detail == "the relay did not connect to 127.0.0.1 (Too many open files)");
    REQUIRE(tunnel.phase() == "established");
    tunnel.wait();
  }
}

TEST_CASE("nobody on either address, where localhost can't be looked up, is a broken path") {
  SteppedTunnel tunnel = proving();
  news(tunnel, ProofNews::not_connected);
  news(tunnel, ProofNews::nobody_listens);
  news(tunnel, ProofNews::nobody_listens);
  CHECK(result(tunnel).result == ProofResult::path_broken);
  CHECK(result(tunnel).failure->detail == "nobody listens there");
}

TEST_CASE("several forwards are proven one after another, and one that is held later as soon as it is") {
  TunnelSpec spec = spec_with(3, 1h);
  spec.exit_on_forward_failure = false;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, 4649}).session(ForwardAnswered{1, 4650});
  tunnel.session(ForwardAnswered{2, std::nullopt}).session(Knocked{2, KnockAnswer::not_permitted});
  REQUIRE(tunnel.phase() == "established");
  CHECK(tunnel.actions == Actions{Prove{0, "localhost"}});
  CHECK(verify(tunnel).actions == Actions{EndProof{}, Prove{1, "localhost"}});
  while (tunnel.table()[2].state != ForwardState::requested) tunnel.wait();
  const bool second_under_way = std::get<Established>(tunnel.state.phase).session.proofs.under_way();
  tunnel.session(ForwardAnswered{2, 4651});
  if (second_under_way) {
    CHECK(tunnel.actions.empty());
    CHECK(news(tunnel, ProofNews::not_permitted, 1).actions == Actions{EndProof{}, Prove{2, "localhost"}});
  } else {
    CHECK(tunnel.actions == Actions{Prove{2, "localhost"}});
  }
}

TEST_CASE("a tunnel is proven when the last of its forwards is") {
  SteppedTunnel tunnel = proving(2);
  verify(tunnel);
  CHECK_FALSE(is_proven(tunnel.state, tunnel.spec, tunnel.now));
  news(tunnel, ProofNews::opened, 1);
  news(tunnel, ProofNews::returned, 1);
  news(tunnel, ProofNews::answered, 1);
  CHECK(is_proven(tunnel.state, tunnel.spec, tunnel.now));
}

TEST_CASE(
    "a path is broken from the first proof that found it so until one finds something else, not if none answers") {
  SteppedTunnel tunnel = proving();
  const auto broken_since = [&] { return tunnel.state.proof_history.paths.at(0).broken_since; };
  news(tunnel, ProofNews::nobody_listens);
  const TimePoint broken = tunnel.now;
  CHECK(broken_since() == broken);
  tunnel.wait();
  news(tunnel, ProofNews::not_opened);
  CHECK(broken_since() == broken);
  tunnel.wait();
  news(tunnel, ProofNews::target_failed);
  CHECK_FALSE(broken_since());
}

TEST_CASE("a forward that is not held is not proven") {
  TunnelSpec spec = spec_with(2, 1h);
  spec.exit_on_forward_failure = false;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, 4649});
  tunnel.session(ForwardAnswered{1, std::nullopt}).session(Knocked{1, KnockAnswer::answered});
  REQUIRE(tunnel.actions == Actions{Prove{0, "localhost"}});
  CHECK(verify(tunnel).actions == Actions{EndProof{}});
  REQUIRE(tunnel.wait().actions == Actions{RequestForward{1}});
  CHECK(tunnel.session(ForwardAnswered{1, std::nullopt}).actions.empty());
}

TEST_CASE("news of another forward, or of a proof that is over, changes nothing") {
  SteppedTunnel tunnel = proving(2);
  const TunnelState before = tunnel.state;
  CHECK(news(tunnel, ProofNews::answered, 1).actions.empty());
  CHECK(news(tunnel, ProofNews::answered, 7).actions.empty());
  CHECK(tunnel.state == before);
}

TEST_CASE("a path that is broken twice ends the session politely, so that a new one is made") {
  SteppedTunnel tunnel = proving();
  fail_to_return(tunnel);
  REQUIRE(tunnel.phase() == "established");
  tunnel.wait();
  fail_to_return(tunnel);
  CHECK(tunnel.actions == Actions{EndProof{}, DrainConnections{}, CancelForward{0}});
  CHECK(tunnel.state.losses.recent(tunnel.now) ==
        std::vector<RecentLosses>{{LossOf::session, 1, "path broken"}, {LossOf::path, 1, "path broken"}});
  renew(tunnel);
  CHECK(tunnel.state.attempt == 2);
}

TEST_CASE("once broken, then something else, then broken again is not twice in a row") {
  SteppedTunnel tunnel = proving();
  fail_to_return(tunnel).wait();
  SUBCASE("unanswered") {
    never_answer(tunnel);
  }
  SUBCASE("nothing known") {
    fail_to_look_up(tunnel);
  }
  SUBCASE("target down") {
    news(tunnel, ProofNews::target_failed);
  }
  tunnel.wait();
  fail_to_return(tunnel);
  CHECK(tunnel.phase() == "established");
}

TEST_CASE("a session that visitors use is not ended for a broken path") {
  SteppedTunnel tunnel = proving();
  for (int n = 0; n < 5; ++n) fail_to_return(tunnel, true).wait();
  CHECK(tunnel.phase() == "established");
  fail_to_return(tunnel, false);
  CHECK(tunnel.phase() == "draining");
}

TEST_CASE("sessions for a broken path are minutes apart, and further each time, up to about an hour") {
  SteppedTunnel tunnel = proving();
  CHECK(until_given_up(tunnel) < 2min);
  std::vector<Duration> apart;
  for (int n = 0; n < 7; ++n) {
    const TimePoint last = tunnel.now;
    renew(tunnel);
    until_given_up(tunnel);
    apart.push_back(tunnel.now - last);
  }
  for (std::size_t n = 0; n < apart.size(); ++n) {
    CAPTURE(n);
    CHECK(apart[n] >= std::min<Duration>(1h, 5min * (1 << n)));
    CHECK(apart[n] < 2h);
  }
  renew(tunnel);
  verify(tunnel);
  CHECK(tunnel.state.proof_history.renewals == 0);
}

TEST_CASE("a second session for a broken path is due after five minutes, the next after twice as long, up to an hour") {
  SteppedTunnel tunnel = proving();
  const auto broken_again_at = [](SteppedTunnel& at, TimePoint when) {
    at.now = when;
    REQUIRE(at.after(TimerExpired{}).actions == Actions{Prove{0, "localhost"}});
    news(at, ProofNews::nobody_listens);
    return at.phase();
  };
  news(tunnel, ProofNews::nobody_listens);
  REQUIRE(broken_again_at(tunnel, tunnel.now + 1min) == "draining");
  for (const Duration apart : {5min, 10min, 20min, 40min, 60min, 60min}) {
    CAPTURE(apart.count());
    const TimePoint last = tunnel.now;
    renew(tunnel);
    news(tunnel, ProofNews::nobody_listens);
    SteppedTunnel too_soon = tunnel;
    CHECK(broken_again_at(too_soon, last + apart - 1ns) == "established");
    CHECK(too_soon.wait().actions == Actions{Prove{0, "localhost"}});  // only the next result ends it
    REQUIRE(broken_again_at(tunnel, last + apart) == "draining");
  }
}

TEST_CASE("a stop hangs up on a proof and does not wait for it") {
  SteppedTunnel tunnel = proving();
  CHECK(tunnel.after(StopRequested{}).actions == Actions{EndProof{}, DrainConnections{}, CancelForward{0}});
}

TEST_CASE("a changed network asks for no further proof") {
  SteppedTunnel tunnel = proving();
  verify(tunnel);
  CHECK(tunnel.after(NetworkChanged{}).actions == Actions{SendKeepalive{}});
}

TEST_CASE("wedged is a path that worked, and that new sessions did not mend for two hours") {
  SteppedTunnel tunnel = proving();
  bool worked = true;
  SUBCASE("it worked") {
    verify(tunnel).wait();
  }
  SUBCASE("it never did: somebody else has the port") {
    worked = false;
  }
  const TimePoint broken = tunnel.now + 15s;
  bool ever = false;
  while (tunnel.now < broken + 8h) {
    until_given_up(tunnel);
    CHECK_FALSE(is_wedged(tunnel.state, tunnel.now));  // there is no session
    renew(tunnel);
    CHECK_FALSE(is_wedged(tunnel.state, tunnel.now));  // it has not been tried yet
    fail_to_return(tunnel);
    CHECK(is_wedged(tunnel.state, tunnel.now) == (worked && tunnel.now >= broken + 2h));
    ever = ever || is_wedged(tunnel.state, tunnel.now);
    tunnel.wait();
  }
  CHECK(ever == worked);
  verify(tunnel);
  CHECK_FALSE(is_wedged(tunnel.state, tunnel.now));
}

TEST_CASE("of two paths one that stays broken is enough") {
  SteppedTunnel tunnel = proving(2);
  verify(tunnel);
  news(tunnel, ProofNews::nobody_listens, 1);
  tunnel.state.proof_history.paths.at(1).proven = true;
  CHECK_FALSE(is_wedged(tunnel.state, tunnel.now + 2h));  // no new session was tried
  tunnel.state.proof_history.renewals = 1;
  CHECK_FALSE(is_wedged(tunnel.state, tunnel.now + 2h - 1s));
  CHECK(is_wedged(tunnel.state, tunnel.now + 2h));
}

TEST_CASE("neither a target that is down, nor a relay that is away or forbids proofs, is wedged") {
  SteppedTunnel tunnel = proving();
  verify(tunnel).wait();
  fail_to_return(tunnel).wait();
  fail_to_return(tunnel);
  renew(tunnel);
  fail_to_return(tunnel).wait();
  tunnel.now += 3h;
  SUBCASE("target down") {
    news(tunnel, ProofNews::target_failed);
  }
  SUBCASE("not permitted") {
    news(tunnel, ProofNews::not_permitted);
  }
  SUBCASE("unanswered") {
    news(tunnel, ProofNews::not_opened);
  }
  SUBCASE("away") {
    tunnel.session(SessionFailed{lost()});
  }
  CHECK_FALSE(is_wedged(tunnel.state, tunnel.now));
}
