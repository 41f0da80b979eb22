#include "holdfast/listeners.hpp"

#include <doctest/doctest.h>

#include "core/tunnel_words.hpp"
#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

using Asked = std::vector<ListenerAction>;

/// The ladder of one session, with the clock in the test's hand.
struct Ladder {
  explicit Ladder(std::size_t forwards = 1) : spec(spec_with(forwards)), listeners(forwards, spec.connect_timeout) {
    listeners.lease_came_up(turn());
  }

  Turn turn() const { return {spec, now, jitter}; }
  Asked start() { return listeners.start(turn()); }
  Asked granted(std::size_t forward = 0) {
    return listeners.answered({forward, spec.remote_forward[forward].port}, turn());
  }
  Asked refused(std::size_t forward = 0) { return listeners.answered({forward, std::nullopt}, turn()); }
  Asked knocked(KnockAnswer answer, std::string words = "") {
    return listeners.knocked({0, answer, std::move(words)}, turn());
  }
  Asked evicted(EvictOutcome outcome, std::string holder = "") {
    return listeners.evicted({0, outcome, std::move(holder)}, turn());
  }
  Asked wait() {
    now = listeners.due().value();
    return listeners.expired(turn());
  }
  const ForwardProgress& forward(std::size_t index = 0) const { return listeners.table()[index]; }
  Refusal refusal() const { return forward().explanation.value().refusal; }

  TunnelSpec spec;
  Listeners listeners;
  TimePoint now{1h};
  UnitRandom jitter = [] { return 0.5; };
};

}  // namespace

TEST_CASE("a granted listener needs no ladder and leaves nothing due") {
  Ladder ladder;
  CHECK(ladder.start() == Asked{RequestForward{0}});
  CHECK(ladder.granted().empty());
  CHECK(ladder.listeners.all_held());
  CHECK_FALSE(ladder.listeners.due());
}

TEST_CASE("our own stale listener is knocked on once, found silent, evicted and asked for again") {
  Ladder ladder;
  ladder.start();
  CHECK(ladder.refused() == Asked{Knock{0, "localhost"}});
  CHECK(ladder.knocked(KnockAnswer::opened).empty());
  CHECK(ladder.listeners.due() == ladder.now + 400ms);
  CHECK(ladder.wait() == Asked{EndKnock{}, Evict{0}});
  CHECK(ladder.evicted(EvictOutcome::freed) == Asked{RequestForward{0}});
  ladder.granted();
  CHECK(ladder.forward() == ForwardProgress{ForwardState::held, 4649, std::nullopt});
  CHECK_FALSE(ladder.listeners.refused_since());
}

TEST_CASE("a live listener is never evicted, and asked for again the sparser the longer it lasts") {
  Ladder ladder;
  ladder.listeners.lease_went(ladder.turn());
  ladder.start();
  ladder.refused();
  ladder.knocked(KnockAnswer::opened);
  CHECK(ladder.knocked(KnockAnswer::answered).empty());
  CHECK(ladder.refusal() == Refusal::held_live);
  CHECK(ladder.listeners.settled());
  CHECK(ladder.listeners.due() == ladder.now + 1500ms);

  const TimePoint first_refused = ladder.now;
  int asked = 0;
  int knocked = 0;
  while (ladder.now < first_refused + 1h) {
    REQUIRE(ladder.wait() == Asked{RequestForward{0}});
    ++asked;
    if (ladder.refused() == Asked{Knock{0, "localhost"}}) {
      ++knocked;
      ladder.knocked(KnockAnswer::answered);
    }
  }
  // 15 in the first 23 s, every 60 s in the end: some 35 KB an hour at 300 bytes each.
  CHECK(asked > 80);
  CHECK(asked < 200);
  CHECK(knocked >= 4);
  CHECK(knocked <= 7);
}

TEST_CASE("a stale listener is knocked on once in a session, however long it is refused") {
  Ladder ladder;
  ladder.listeners.lease_went(ladder.turn());
  ladder.start();
  ladder.refused();
  ladder.knocked(KnockAnswer::opened);
  CHECK(ladder.wait() == Asked{EndKnock{}});
  CHECK(ladder.refusal() == Refusal::held_stale);
  for (int round = 0; round < 100; ++round) {
    REQUIRE(ladder.wait() == Asked{RequestForward{0}});
    REQUIRE(ladder.refused().empty());
  }
}

TEST_CASE("nobody listening is a policy only when a second request is refused too") {
  Ladder ladder;
  ladder.start();
  ladder.refused();
  CHECK(ladder.knocked(KnockAnswer::nobody_listens) == Asked{RequestForward{0}});
  CHECK(ladder.refused().empty());
  CHECK(ladder.refusal() == Refusal::policy);

  Ladder freed;
  freed.start();
  freed.refused();
  freed.knocked(KnockAnswer::nobody_listens);
  freed.granted();
  CHECK(freed.listeners.all_held());
}

TEST_CASE("a relay that does not let us knock, or does not answer the knock, leaves it to the lease") {
  Ladder forbidden;
  forbidden.start();
  forbidden.refused();
  CHECK(forbidden.knocked(KnockAnswer::not_permitted) == Asked{Evict{0}});
  CHECK(forbidden.evicted(EvictOutcome::not_ours).empty());
  CHECK(forbidden.refusal() == Refusal::unexplained);

  Ladder hanging;
  hanging.start();
  hanging.refused();
  CHECK(hanging.wait() == Asked{EndKnock{}, Evict{0}});
  CHECK(hanging.refusal() == Refusal::unexplained);
}

TEST_CASE("a relay that can't look localhost up is asked for the addresses, and what is stale there is evicted") {
  Ladder ladder;
  ladder.start();
  ladder.refused();
  CHECK(ladder.knocked(KnockAnswer::not_connected, "Name or service not known") == Asked{Knock{0, "127.0.0.1"}});
  CHECK(ladder.forward().state == ForwardState::knocking);
  SUBCASE("on 127.0.0.1") {}
  SUBCASE("on ::1") {
    CHECK(ladder.knocked(KnockAnswer::nobody_listens) == Asked{Knock{0, "::1"}});
  }
  ladder.knocked(KnockAnswer::opened);
  CHECK(ladder.wait() == Asked{EndKnock{}, Evict{0}});
  CHECK(ladder.refusal() == Refusal::held_stale);
}

TEST_CASE("where it can be looked up in no way, the lease decides, and the words say why") {
  Ladder ladder;
  std::string words = "the relay gives no reason and can't look up localhost (Try again)";
  ladder.start();
  ladder.refused();
  ladder.knocked(KnockAnswer::not_connected, "Try again");
  SUBCASE("only the name is permitted") {
    CHECK(ladder.knocked(KnockAnswer::not_permitted) == Asked{Knock{0, "::1"}});
    CHECK(ladder.knocked(KnockAnswer::not_permitted) == Asked{Evict{0}});
  }
  SUBCASE("it did not connect to anything") {
    words = "the relay gives no reason and did not connect to 127.0.0.1 (open failed)";
    CHECK(ladder.knocked(KnockAnswer::not_connected, "open failed") == Asked{Knock{0, "::1"}});
    CHECK(ladder.knocked(KnockAnswer::not_connected, "open failed") == Asked{Evict{0}});
  }
  SUBCASE("it does not answer") {
    words = "the relay gives no reason and lets nobody look";
    CHECK(ladder.wait() == Asked{EndKnock{}, Evict{0}});
  }
  CHECK(ladder.evicted(EvictOutcome::freed) == Asked{RequestForward{0}});
  CHECK(ladder.refused().empty());  // evicted a moment ago
  CHECK(ladder.refusal() == Refusal::unexplained);
  CHECK(listen_refused(ladder.spec, 0, *ladder.forward().explanation, "").detail == words);
}

TEST_CASE("nobody on either address, where localhost can't be looked up, is a policy") {
  Ladder ladder;
  ladder.start();
  ladder.refused();
  ladder.knocked(KnockAnswer::not_connected, "Name or service not known");
  ladder.knocked(KnockAnswer::nobody_listens);
  CHECK(ladder.knocked(KnockAnswer::nobody_listens) == Asked{RequestForward{0}});
  CHECK(ladder.refused().empty());
  CHECK(ladder.refusal() == Refusal::policy);
}

TEST_CASE("a port that a forward of this very session has is not knocked out of somebody's hands") {
  Ladder ladder{2};
  ladder.spec.remote_forward[0].bind_address = "127.0.0.1";
  ladder.spec.remote_forward[1] = {"203.0.113.7", 4649, ladder.spec.remote_forward[0].target};
  ladder.start();
  CHECK(ladder.granted(0) == Asked{RequestForward{1}});
  CHECK(ladder.refused(1) == Asked{Knock{1, "203.0.113.7"}});
  const auto knocked = [&](KnockAnswer answer) { return ladder.listeners.knocked({1, answer}, ladder.turn()); };
  std::string detail;
  SUBCASE("it answers") {
    detail = "this session's own 127.0.0.1:4649 answers there";
    knocked(KnockAnswer::opened);
    CHECK(knocked(KnockAnswer::answered).empty());
  }
  SUBCASE("its target is silent") {
    detail = "this session's own 127.0.0.1:4649 answers there";
    knocked(KnockAnswer::opened);
    CHECK(ladder.wait() == Asked{EndKnock{}});
  }
  SUBCASE("it is on another address of the relay") {
    detail = "this session's own 127.0.0.1:4649 has this port";
    CHECK(knocked(KnockAnswer::nobody_listens) == Asked{RequestForward{1}});
    CHECK(ladder.refused(1).empty());
  }
  const Failure failure = listen_refused(ladder.spec, 1, *ladder.forward(1).explanation, "");
  CHECK(failure.cause == Cause::forward_refused);
  CHECK(failure.detail == detail);
  CHECK(failure.remedy.find("GatewayPorts clientspecified") != std::string::npos);
}

TEST_CASE("what the rules forbid is told with what they are compared with") {
  Ladder ladder;
  const Explanation policy{Refusal::policy, "", ladder.now, std::nullopt};
  const auto remedy_of = [&](std::string address, std::uint16_t port) {
    ladder.spec.remote_forward[0].bind_address = std::move(address);
    ladder.spec.remote_forward[0].port = port;
    return listen_refused(ladder.spec, 0, policy, "").remedy;
  };
  const auto permits = [&](const std::string& address, std::uint16_t port, const std::string& permitted) {
    return remedy_of(address, port).find("permitlisten=\"" + permitted + "\"") != std::string::npos;
  };
  CHECK(permits("localhost", 4649, "localhost:4649"));
  CHECK(permits("127.0.0.1", 4649, "127.0.0.1:4649"));
  CHECK(permits("::1", 4649, "[::1]:4649"));
  CHECK(permits("", 4649, "4649"));
  CHECK(permits("localhost", 0, "localhost:*"));
  CHECK(permits("", 0, "*:*"));
  CHECK(remedy_of("localhost", 80).ends_with("Below port 1024 only root may listen."));
  CHECK(remedy_of("localhost", 1023).ends_with("Below port 1024 only root may listen."));
  CHECK_FALSE(remedy_of("localhost", 1024).ends_with("Below port 1024 only root may listen."));
  CHECK_FALSE(remedy_of("localhost", 0).ends_with("Below port 1024 only root may listen."));
  CHECK(remedy_of("localhost", 4649).find("1024") == std::string::npos);
}

TEST_CASE("a port below 1024 is the reason where the account is not root") {
  Ladder ladder;
  const Explanation policy{Refusal::policy, "", ladder.now, std::nullopt};
  ladder.spec.remote_forward[0].port = 80;
  ladder.spec.user = "pi";
  CHECK(listen_refused(ladder.spec, 0, policy, "").cause == Cause::privileged_port);
  ladder.spec.user = "root";
  CHECK(listen_refused(ladder.spec, 0, policy, "").cause == Cause::forward_refused);
}

TEST_CASE("another device's lease is named and left alone") {
  Ladder ladder;
  ladder.start();
  ladder.refused();
  ladder.knocked(KnockAnswer::opened);
  ladder.wait();
  CHECK(ladder.evicted(EvictOutcome::other_device, "pi-north").empty());
  CHECK(ladder.refusal() == Refusal::held_by_other_device);
  CHECK(ladder.forward().explanation->holder == "pi-north");
  ladder.wait();
  CHECK(ladder.refused().empty());
}

TEST_CASE("a twin's session is named and left alone, however silent it is") {
  Ladder ladder;
  ladder.start();
  ladder.refused();
  ladder.knocked(KnockAnswer::opened);
  ladder.wait();
  CHECK(ladder.evicted(EvictOutcome::twin, "pi-south").empty());
  CHECK(ladder.refusal() == Refusal::held_by_twin);
  CHECK(ladder.forward().explanation->holder == "pi-south");
  CHECK(ladder.forward().explanation->silent);
  ladder.wait();
  CHECK(ladder.refused().empty());
}

TEST_CASE("the lease is asked who answers on the port, and nobody is ended") {
  Ladder ladder;
  ladder.start();
  ladder.refused();
  CHECK(ladder.knocked(KnockAnswer::answered) == Asked{Identify{0}});
  CHECK(ladder.forward().state == ForwardState::identifying);

  SUBCASE("another device") {
    CHECK(ladder.evicted(EvictOutcome::other_device, "pi-north").empty());
    CHECK(ladder.refusal() == Refusal::held_by_other_device);
    CHECK(ladder.forward().explanation->holder == "pi-north");
  }
  SUBCASE("nobody whom it knows") {
    CHECK(ladder.listeners.evicted({0, EvictOutcome::not_ours, "", {}, "no record of it"}, ladder.turn()).empty());
    CHECK(ladder.refusal() == Refusal::held_live);
    CHECK(ladder.forward().explanation->not_evicted.empty());  // that was not asked for
  }
  SUBCASE("no answer") {
    CHECK(ladder.listeners.due() == ladder.now + 10s);
    CHECK(ladder.wait().empty());
    CHECK(ladder.refusal() == Refusal::held_live);
  }
  SUBCASE("an answer that frees nothing, whatever it says") {
    CHECK(ladder.evicted(EvictOutcome::freed).empty());
    CHECK_FALSE(ladder.listeners.last_eviction());
  }
  CHECK(ladder.forward().state == ForwardState::refused);
  CHECK(ladder.wait() == Asked{RequestForward{0}});
}

TEST_CASE("a lease that comes up late is asked who answers on the port") {
  Ladder ladder;
  ladder.listeners.lease_went(ladder.turn());
  ladder.start();
  ladder.refused();
  CHECK(ladder.knocked(KnockAnswer::answered).empty());
  CHECK(ladder.listeners.lease_came_up(ladder.turn()) == Asked{Identify{0}});
}

TEST_CASE("a lease that comes up late is asked about each listener that is refused, not only about the first") {
  Ladder ladder{2};
  ladder.listeners.lease_went(ladder.turn());
  ladder.start();
  CHECK(ladder.granted(0) == Asked{RequestForward{1}});
  CHECK(ladder.refused(1) == Asked{Knock{1, "localhost"}});
  CHECK(ladder.listeners.knocked({1, KnockAnswer::opened}, ladder.turn()).empty());
  CHECK(ladder.wait() == Asked{EndKnock{}});
  CHECK(ladder.listeners.lease_came_up(ladder.turn()) == Asked{Evict{1}});
}

TEST_CASE("two devices with one identity do not throw each other out in turns") {
  Ladder ladder;
  ladder.listeners = Listeners{1, 30s, ladder.now - 59s};
  ladder.listeners.lease_came_up(ladder.turn());
  ladder.start();
  ladder.refused();
  ladder.knocked(KnockAnswer::opened);
  CHECK(ladder.wait() == Asked{EndKnock{}});

  ladder.now += 1s;
  ladder.wait();
  CHECK(ladder.refused() == Asked{Evict{0}});
  ladder.evicted(EvictOutcome::freed);
  CHECK(ladder.listeners.last_eviction() == ladder.now);
}

TEST_CASE("an eviction that fails or hangs is tried again a minute later, and asking goes on meanwhile") {
  Ladder ladder;
  ladder.start();
  ladder.refused();
  ladder.knocked(KnockAnswer::opened);
  ladder.wait();
  const TimePoint tried = ladder.now;
  CHECK(ladder.wait().empty());
  CHECK(ladder.now == tried + 10s);
  CHECK(ladder.forward().state == ForwardState::refused);
  while (ladder.now < tried + 1min) {
    REQUIRE(ladder.wait() == Asked{RequestForward{0}});
    const Asked next = ladder.refused();
    REQUIRE(next == (ladder.now < tried + 1min ? Asked{} : Asked{Evict{0}}));
  }
}

TEST_CASE("a lease that comes up late evicts what was found stale before") {
  Ladder ladder;
  ladder.listeners.lease_went(ladder.turn());
  ladder.start();
  ladder.refused();
  CHECK(ladder.listeners.lease_came_up(ladder.turn()).empty());
  ladder.listeners.lease_went(ladder.turn());
  ladder.knocked(KnockAnswer::opened);
  ladder.wait();
  CHECK(ladder.listeners.lease_came_up(ladder.turn()) == Asked{Evict{0}});
}

TEST_CASE("several listeners are settled one after the other; the rest are asked for though one is refused") {
  Ladder ladder{3};
  ladder.listeners.lease_went(ladder.turn());
  ladder.start();
  CHECK(ladder.granted(0) == Asked{RequestForward{1}});
  CHECK(ladder.refused(1) == Asked{Knock{1, "localhost"}});
  CHECK(ladder.listeners.knocked({1, KnockAnswer::answered}, ladder.turn()) == Asked{RequestForward{2}});
  CHECK(ladder.granted(2).empty());
  CHECK(ladder.listeners.settled());
  CHECK_FALSE(ladder.listeners.all_held());
  CHECK(ladder.wait() == Asked{RequestForward{1}});
  ladder.granted(1);
  CHECK(ladder.listeners.all_held());
}

TEST_CASE("a port that the relay was to choose and refused is a policy at once: there is nothing to knock on") {
  Ladder ladder;
  ladder.spec.remote_forward[0].port = 0;
  ladder.start();
  CHECK(ladder.refused().empty());
  CHECK(ladder.refusal() == Refusal::policy);
}

TEST_CASE("answers to questions that are not open are ignored") {
  Ladder ladder;
  ladder.start();
  const Listeners before = ladder.listeners;
  CHECK(ladder.knocked(KnockAnswer::answered).empty());
  CHECK(ladder.evicted(EvictOutcome::freed).empty());
  CHECK(ladder.refused(0) != Asked{});
  CHECK(ladder.listeners.answered({7, 80}, ladder.turn()).empty());
  CHECK(before.table()[0].state == ForwardState::requested);
}

TEST_CASE("only a request that is not answered makes the session worthless") {
  Ladder ladder;
  ladder.start();
  CHECK_FALSE(ladder.listeners.answer_overdue(ladder.now + 29s));
  CHECK(ladder.listeners.answer_overdue(ladder.now + 30s));
  ladder.refused();
  CHECK_FALSE(ladder.listeners.answer_overdue(ladder.now + 1h));
}

// ---- what a tunnel makes of it ------------------------------------------------------------------------------------

namespace {

/// Established without its listener, which somebody else has, and nothing else is due.
SteppedTunnel without_its_listener() {
  TunnelSpec spec = spec_with(1);
  spec.exit_on_forward_failure = false;
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::answered});
  REQUIRE(tunnel.phase() == "established");
  return tunnel;
}

/// Asked for again at that moment, and refused again.
Actions refused_again(SteppedTunnel& tunnel, TimePoint at) {
  tunnel.now = at;
  REQUIRE(tunnel.after(TimerExpired{}).actions == Actions{RequestForward{0}});
  return tunnel.session(ForwardAnswered{0, std::nullopt}).actions;
}

}  // namespace

TEST_CASE("the relay has five seconds to answer a knock") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt});
  REQUIRE(tunnel.actions == Actions{Knock{0, "localhost"}});
  CHECK(next_deadline(tunnel.state) == tunnel.now + 5s);
}

TEST_CASE("what is live is knocked on again after a minute, and then after twice as long each time") {
  SteppedTunnel tunnel = without_its_listener();
  const TimePoint refused = tunnel.now;
  for (const Duration after : {1min, 2min, 4min, 8min}) {
    SteppedTunnel sooner = tunnel;
    CHECK(refused_again(sooner, refused + after - 1ns).empty());
    CHECK(refused_again(tunnel, refused + after) == Actions{Knock{0, "localhost"}});
    tunnel.session(Knocked{0, KnockAnswer::answered});
  }
}

TEST_CASE(
    "a refused listener is asked for again after a thirtieth of the time, a quarter more or less, once a minute at "
    "least") {
  const auto wait_after = [](Duration lasted, double dice) {
    SteppedTunnel tunnel = without_its_listener();
    tunnel.dice = dice;
    if (!refused_again(tunnel, tunnel.now + lasted).empty()) tunnel.session(Knocked{0, KnockAnswer::answered});
    return next_deadline(tunnel.state).value() - tunnel.now;
  };
  CHECK(wait_after(45s, 0.5) == 1500ms);
  CHECK(wait_after(45s, 0.0) == 1125ms);
  CHECK(wait_after(45s, 1.0) == 1875ms);
  CHECK(wait_after(10min, 0.5) == 20s);
  CHECK(wait_after(30min, 0.5) == 60s);
  CHECK(wait_after(10h, 0.5) == 60s);
}

TEST_CASE("a minute after an eviction, and no sooner, there may be another one") {
  const auto evicts_after = [](Duration last) {
    SteppedTunnel tunnel{leased(1)};
    tunnel.open_until(OpeningPhase::authenticate);
    tunnel.state.failover.here().last_eviction = tunnel.now - last;
    tunnel.session(PhaseCompleted{OpeningPhase::authenticate}).session(LeaseOpened{});
    tunnel.session(ForwardAnswered{0, std::nullopt}).session(Knocked{0, KnockAnswer::not_permitted});
    return tunnel.actions == Actions{Evict{0}};
  };
  CHECK(evicts_after(1min));
  CHECK_FALSE(evicts_after(1min - 1ns));
}

TEST_CASE("of two ports that the relay is to choose the first is asked for first") {
  TunnelSpec spec = spec_with(2);
  spec.remote_forward[0].port = 0;
  spec.remote_forward[1].port = 0;
  CHECK(SteppedTunnel{spec}.authenticate().actions == Actions{RequestForward{0}});
}

TEST_CASE("an answer for a listener that there is not changes nothing") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.authenticate();
  const TunnelState before = tunnel.state;
  CHECK(tunnel.session(ForwardAnswered{1, 4650}).actions.empty());
  CHECK(tunnel.state == before);
}

TEST_CASE("who holds a listener is told, and of a silent one until when") {
  SteppedTunnel tunnel{leased(1)};
  tunnel.authenticate().session(LeaseOpened{}).session(ForwardAnswered{0, std::nullopt});
  std::string detail;
  SUBCASE("it answers") {
    tunnel.session(Knocked{0, KnockAnswer::answered});
    tunnel.session(Evicted{0, EvictOutcome::other_device, "gateway-8", std::nullopt});
    detail = "held by a session of gateway-8";
  }
  SUBCASE("it is silent") {
    tunnel.session(Knocked{0, KnockAnswer::opened}).wait();
    tunnel.session(Evicted{0, EvictOutcome::other_device, "gateway-8", 240s});
    detail = "held by a silent session of gateway-8, which the relay ends within 4 min 0 s if it is dead";
  }
  SUBCASE("it is silent, and the lease leaves it alone") {
    tunnel.session(Knocked{0, KnockAnswer::opened}).wait();
    tunnel.session(Evicted{0, EvictOutcome::not_ours, "", std::nullopt, "no record of it"});
    detail = "it is open and silent; the lease says: no record of it";
  }
  SUBCASE("nobody may look, and the lease leaves it alone") {
    tunnel.session(Knocked{0, KnockAnswer::not_permitted});
    tunnel.session(Evicted{0, EvictOutcome::failed, "", std::nullopt, "it did not end"});
    detail = "the relay gives no reason and lets nobody look; the lease says: it did not end";
  }
  SUBCASE("it is silent, and nothing ends it") {
    tunnel.session(Knocked{0, KnockAnswer::opened}).wait();
    tunnel.session(Evicted{0, EvictOutcome::twin, "gateway-7", std::nullopt});
    detail = "held by a silent session of another device that is called gateway-7 too";
  }
  CHECK(tunnel.lines.at(0).failure.value().detail == detail);
}

TEST_CASE("nobody can be listening on a port that the relay was to choose: it is forbidden, and no more is said") {
  TunnelSpec spec = spec_with(1);
  spec.remote_forward[0].port = 0;
  SteppedTunnel tunnel{spec};
  tunnel.authenticate().session(ForwardAnswered{0, std::nullopt});
  CHECK(tunnel.lines.at(0).failure.value().detail == "the relay's rules forbid it");
}
