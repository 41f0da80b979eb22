#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr TimePoint start{1h};

/// As TCP_INFO showed them in the lab, with a round trip of 60 ms: the first 3.4 KB of a session, two full segments and
/// a short one.
TransportReport full_segments_lost() {
  return {.unacknowledged = 3440,
          .repetitions = 4,
          .unacknowledged_for = 4s,
          .later_arrived = true,
          .segment_size = 1368,
          .nothing_came_for = 4s,
          .acknowledged_ago = 4s,
          .four_repetitions = 3900ms};
}

/// A flood of full segments, of which none arrives; an outage looks the same.
TransportReport nothing_arrives() {
  TransportReport transport = full_segments_lost();
  transport.later_arrived = false;
  return transport;
}

/// The relay's segment is missing, the short one behind it is here; our probe was acknowledged a moment ago.
TransportReport segment_of_relay_lost() {
  return {.segment_size = 1368,
          .hole_for = 5s,
          .nothing_came_for = 9s,
          .acknowledged_ago = 100ms,
          .four_repetitions = 3900ms};
}

TransportReport moving() {
  return {.unacknowledged = 50'000, .segment_size = 1368, .four_repetitions = 3900ms};
}

}  // namespace

TEST_CASE("a full segment that is repeated while what followed it arrived is a large packet that is lost") {
  CHECK(large_packets(full_segments_lost()) == LargePackets::lost_outbound);
  TransportReport transport = full_segments_lost();
  transport.repetitions = 3;  // bad luck
  CHECK(large_packets(transport) == LargePackets::pass);
  transport = full_segments_lost();
  transport.large_passed = true;  // an outage may begin with the loss of one segment
  CHECK(large_packets(transport) == LargePackets::maybe_lost);
  transport = full_segments_lost();
  transport.unacknowledged = 200;  // nothing large is under way
  CHECK(large_packets(transport) == LargePackets::pass);
  CHECK(large_packets(moving()) == LargePackets::pass);
}

TEST_CASE("a session that is silent is explained by fewer repetitions than would end one that may yet move") {
  TransportReport transport = full_segments_lost();
  transport.repetitions = 2;
  const Failure late{Cause::relay_silent, "keep alive", "relay.example:22", "no answer"};
  CHECK(large_packets(transport) == LargePackets::pass);
  CHECK(large_packets_of_silent(transport) == LargePackets::maybe_lost);  // no more than tried
  CHECK(explained(late, transport).cause == Cause::path_mtu);
  CHECK(large_packets_of_silent(full_segments_lost()) == LargePackets::lost_outbound);
  transport.repetitions = 1;
  transport.unacknowledged_for = 5s;  // the kernel takes a long round trip for usual
  CHECK(stalls(transport));
  CHECK(explained(late, transport).cause == Cause::path_mtu);
  transport.unacknowledged_for = 4900ms;  // everyday
  CHECK_FALSE(stalls(transport));
  CHECK(explained(late, transport) == late);
}

TEST_CASE("a hole that stays while what is small passes both ways is a large packet of the relay's that is lost") {
  CHECK(large_packets(segment_of_relay_lost()) == LargePackets::lost_inbound);
  TransportReport transport = segment_of_relay_lost();
  transport.hole_for = transport.four_repetitions;
  CHECK(large_packets(transport) == LargePackets::lost_inbound);
  transport.hole_for = 2s;  // the relay may still repeat it
  CHECK(large_packets(transport) == LargePackets::maybe_lost);
  CHECK(stalls(transport));
  transport.hole_for = transport.four_repetitions / 2;
  CHECK(misses_something(transport));
  transport.hole_for = 1s;
  CHECK_FALSE(misses_something(transport));
  transport = segment_of_relay_lost();
  transport.acknowledged_ago = transport.hole_for - transport.four_repetitions / 2;
  CHECK(large_packets(transport) == LargePackets::lost_inbound);
  transport.acknowledged_ago += 1ms;
  CHECK(large_packets(transport) == LargePackets::maybe_lost);
  transport.acknowledged_ago = 5s;  // nothing passes at all
  CHECK(large_packets(transport) == LargePackets::maybe_lost);
  transport.acknowledged_ago = 9s;
  CHECK(large_packets(transport) == LargePackets::pass);
}

TEST_CASE("what was sent just now, and is under way, hides no large packet that is lost") {
  TransportReport transport = segment_of_relay_lost();
  transport.unacknowledged = 36;
  CHECK(large_packets(transport) == LargePackets::lost_inbound);
  transport.repetitions = 1;  // it is late
  CHECK(large_packets(transport) == LargePackets::pass);
  transport.unacknowledged = 0;  // and has arrived after all
  CHECK(large_packets(transport) == LargePackets::lost_inbound);
}

TEST_CASE("without a hole nothing of the relay's is missing, however short the round trip is") {
  const TransportReport transport{.segment_size = 1368, .four_repetitions = 0s};
  CHECK(large_packets(transport) != LargePackets::lost_inbound);
  CHECK_FALSE(misses_something(transport));
  CHECK_FALSE(stalls(transport));
  CHECK(stalls({.unacknowledged = 1, .repetitions = 4, .segment_size = 1368}));
  // What was repeated has been acknowledged meanwhile.
  CHECK_FALSE(stalls({.repetitions = 4, .segment_size = 1368}));
}

TEST_CASE("what an outage would show as well is no proof of anything") {
  CHECK(large_packets(nothing_arrives()) == LargePackets::maybe_lost);
  CHECK(stalls(nothing_arrives()));
  const Failure late{Cause::phase_timed_out, "listen on relay", "relay.example:22", "no answer within 30 s"};
  const Failure why = explained(late, nothing_arrives());
  CHECK(why.cause == Cause::relay_silent);
  CHECK(describe(why) ==
        "listen on relay relay.example:22: relay silent (sent data is not acknowledged since 4.0 s: the way to the "
        "relay swallows it)");
  CHECK(explained(late, moving()) == late);
  CHECK(explained(late, full_segments_lost()).cause == Cause::path_mtu);
}

TEST_CASE("the limit of segments goes down while large ones are lost, and is forgotten after a day") {
  SegmentLimit limit;
  CHECK_FALSE(limit.bytes());
  limit.ended(LargePackets::pass, 1448, start);
  CHECK_FALSE(limit.bytes());
  limit.ended(LargePackets::lost_outbound, 1448, start);
  CHECK(limit.bytes() == 1220);
  CHECK(limit.just_lowered());
  limit.attempt_begins(start + 1s);
  CHECK_FALSE(limit.just_lowered());
  limit.ended(LargePackets::lost_inbound, 1208, start + 1min);  // timestamps take twelve bytes of each segment
  CHECK(limit.bytes() == 536);
  limit.attempt_begins(start + 1min);
  limit.ended(LargePackets::lost_inbound, 524, start + 2min);
  CHECK(limit.bytes() == 536);
  CHECK_FALSE(limit.just_lowered());
  limit.attempt_begins(start + 24h);
  CHECK(limit.bytes() == 536);
  limit.attempt_begins(start + 24h + 1min);
  CHECK_FALSE(limit.bytes());
}

TEST_CASE("a limit that the segments keep already is not set again") {
  SegmentLimit tried;
  tried.ended(LargePackets::maybe_lost, 1220, start);
  CHECK_FALSE(tried.bytes());
  SegmentLimit known;
  known.ended(LargePackets::lost_outbound, 1220, start);
  CHECK(known.bytes() == 536);
  SegmentLimit smallest;
  smallest.ended(LargePackets::lost_outbound, 536, start);
  CHECK_FALSE(smallest.bytes());
}

TEST_CASE("a limit that was only tried is dropped when it does not help") {
  SegmentLimit limit;
  limit.ended(LargePackets::maybe_lost, 1448, start);
  CHECK(limit.bytes() == 1220);
  CHECK_FALSE(limit.just_lowered());
  limit.ended(LargePackets::maybe_lost, 1208, start);
  CHECK_FALSE(limit.bytes());
  limit.ended(LargePackets::lost_outbound, 1448, start);
  limit.ended(LargePackets::maybe_lost, 1208, start);
  CHECK(limit.bytes() == 1220);
}

TEST_CASE("a session whose large packets are lost is given up, and the next one sends smaller ones") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish().session(TransportStalled{full_segments_lost()});
  CHECK(tunnel.actions == Actions{ParkSession{}});
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::path_mtu);
  CHECK(tunnel.state.failover.here().segments.bytes() == 1220);

  SUBCASE("at the same relay, whatever others there are") {
    SteppedTunnel two{spec_with(1)};
    two.spec.relays = {{"a.example", 22, "/known", {}}, {"b.example", 22, "/known", {}}};
    two.establish().session(TransportStalled{full_segments_lost()});
    CHECK(two.in<BackingOff>().relay == 0);
  }
  SUBCASE("not for another network") {
    tunnel.after(NetworkChanged{.moved = true});
    CHECK_FALSE(tunnel.state.failover.here().segments.bytes());
  }
  SUBCASE("not after a reconnect on request") {
    tunnel.after(ReconnectRequested{});
    CHECK_FALSE(tunnel.state.failover.here().segments.bytes());
  }
}

TEST_CASE("a relay whose segments were lowered and that then refuses is left for the next one") {
  TunnelSpec spec = spec_with(1);
  spec.relays = {{"a.example", 22, "/known", {}}, {"b.example", 22, "/known", {}}};
  SteppedTunnel tunnel{spec};
  tunnel.establish().session(TransportStalled{full_segments_lost()}).wait();
  REQUIRE(tunnel.state.failover.current() == 0);
  tunnel.session(SessionFailed{{Cause::connection_refused, "connect to", "a.example:22", ""}});
  CHECK(tunnel.in<BackingOff>().relay == 1);
}

TEST_CASE("an answer that is late while TCP was seen not to move gets five seconds more") {
  TransportReport outage = nothing_arrives();
  outage.unacknowledged = 100;
  SteppedTunnel tunnel{spec_with(1, 1h)};
  tunnel.establish().session(ProofAdvanced{0, ProofNews::opened});
  tunnel.now += 14s;
  CHECK(tunnel.session(TransportStalled{outage}).actions.empty());
  CHECK(next_deadline(tunnel.state) == tunnel.now + 5s);
  tunnel.wait();
  CHECK(tunnel.in<Established>().session.proofs.result(0)->result == ProofResult::path_broken);
  CHECK_FALSE(tunnel.in<Established>().session.judged_after);
}

TEST_CASE("where something of the relay's is missing a probe shows whether what is small passes") {
  SteppedTunnel tunnel{spec_with(1)};
  TransportReport missing = segment_of_relay_lost();
  missing.acknowledged_ago = 9s;
  tunnel.establish().session(TransportStalled{missing});
  CHECK(tunnel.actions == Actions{SendKeepalive{}});
  tunnel.session(TransportStalled{segment_of_relay_lost()});
  CHECK(tunnel.in<BackingOff>().failure.cause == Cause::path_mtu);
}

TEST_CASE("while TCP does not move no answer is late") {
  const auto expire = [](SteppedTunnel& tunnel, TransportReport transport) {
    tunnel.now = next_deadline(tunnel.state).value();
    tunnel.after(TimerExpired{.transport = transport});
  };
  TransportReport outage = nothing_arrives();
  outage.unacknowledged = 100;

  SUBCASE("of a proof") {
    SteppedTunnel tunnel{spec_with(1, 1h)};
    tunnel.establish().session(ProofAdvanced{0, ProofNews::opened});
    expire(tunnel, outage);
    CHECK(tunnel.lines.empty());
    CHECK(tunnel.in<Established>().session.proofs.under_way());
    const TimePoint seen = tunnel.now;
    CHECK(next_deadline(tunnel.state) == seen + 5s);
    expire(tunnel, moving());
    CHECK(tunnel.in<Established>().session.proofs.result(0)->failure->cause == Cause::path_broken);
  }
  SUBCASE("of the lease") {
    SteppedTunnel tunnel{leased(1)};
    tunnel.establish();
    expire(tunnel, outage);
    CHECK(tunnel.actions.empty());
    expire(tunnel, moving());
    CHECK(tunnel.in<Established>().session.lease.is_lost());
  }
  SUBCASE("of a listener that was asked for, but the way there") {
    SteppedTunnel tunnel{spec_with(1)};
    tunnel.authenticate();
    expire(tunnel, outage);
    CHECK(tunnel.in<BackingOff>().failure.cause == Cause::relay_silent);
  }
  SUBCASE("of the login, but the way there") {
    SteppedTunnel tunnel{spec_with(1)};
    tunnel.open_until(OpeningPhase::authenticate);
    expire(tunnel, outage);
    CHECK(tunnel.in<BackingOff>().failure.cause == Cause::relay_silent);
    CHECK(tunnel.in<BackingOff>().failure.operation == "authenticate to");
  }
}
