#include "holdfast/tunnel_report.hpp"

#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

TunnelFacts facts_of(const SteppedTunnel& tunnel) {
  TunnelFacts facts;
  facts.phase_entered = tunnel.now;
  facts.counters.resize(tunnel.spec.remote_forward.size());
  return facts;
}

TunnelReport report(const SteppedTunnel& tunnel, const TunnelFacts& facts) {
  return report_of(tunnel.spec, tunnel.state, tunnel.history, facts, tunnel.now);
}
TunnelReport report(const SteppedTunnel& tunnel) {
  return report(tunnel, facts_of(tunnel));
}

Failure refused() {
  return {Cause::connection_refused, "connect to", "relay.example:22", ""};
}

}  // namespace

TEST_CASE("a tunnel that is up is reported with what is known of its session, and with its counters") {
  SteppedTunnel tunnel(spec_with(2, 1h));
  tunnel.establish();
  TunnelFacts facts = facts_of(tunnel);
  facts.sessions_established = 3;
  facts.counters = {{1, 7, 2}, {}};
  facts.refused_opens = 4;
  facts.bytes_received = 1000;
  facts.bytes_sent = 500;
  facts.attempt = {.address = "192.0.2.7:22",
                   .server = "SSH-2.0-OpenSSH_9.2p1",
                   .host_key = "ssh-ed25519 SHA256:gL5w",
                   .cipher = "aes128-gcm@openssh.com",
                   .cipher_reason = "configured",
                   .keepalive_rtt = 31ms,
                   .listens_on = {ListensOn::as_asked}};
  tunnel.now += 5s;
  const TunnelReport shown = report(tunnel, facts);
  CHECK(shown.name == "relay");
  CHECK(shown.relay == "relay.example:22");
  CHECK(shown.address == "192.0.2.7:22");
  CHECK(shown.server == "SSH-2.0-OpenSSH_9.2p1");
  CHECK(shown.host_key == "ssh-ed25519 SHA256:gL5w");
  CHECK(shown.phase.kind == PhaseKind::established);
  CHECK_FALSE(shown.phase.opening);
  CHECK(shown.up);
  CHECK_FALSE(shown.unproven);
  CHECK(shown.in_state == 5s);
  CHECK(shown.attempt == 1);
  CHECK(shown.sessions_established == 3);
  CHECK_FALSE(shown.phase.next_retry);
  CHECK_FALSE(shown.last_error);
  REQUIRE(shown.forwards.size() == 2);
  CHECK(shown.forwards[0].listener == "localhost:4649");
  CHECK(shown.forwards[0].target == "localhost:22");
  CHECK(shown.forwards[0].state == ForwardState::held);
  CHECK(shown.forwards[0].bound_port == 4649);
  CHECK(shown.forwards[0].connections == 1);
  CHECK(shown.forwards[0].accepted == 7);
  CHECK(shown.forwards[0].target_refused == 2);
  CHECK(shown.forwards[0].listens_on == ListensOn::as_asked);
  CHECK(shown.forwards[1].listens_on == ListensOn::unknown);  // the relay has not told
  CHECK(shown.refused_opens == 4);
  CHECK(shown.bytes_received == 1000);
  CHECK(shown.bytes_sent == 500);
  CHECK(shown.keepalive_rtt == 31ms);
  CHECK(shown.cipher == "aes128-gcm@openssh.com");
  CHECK(shown.cipher_reason == "configured");
  CHECK(shown.probe_period == probe_period(tunnel.spec.liveness));
  CHECK(shown.lease == lease_off);
}

TEST_CASE("up is not proven with readiness: verified, until each listener was") {
  TunnelSpec spec = spec_with(1, 1h);
  spec.readiness = Readiness::verified;
  SteppedTunnel tunnel(spec);
  tunnel.establish();
  CHECK(report(tunnel).unproven);
  for (const ProofNews news : {ProofNews::opened, ProofNews::returned, ProofNews::answered}) {
    tunnel.session(ProofAdvanced{0, news});
  }
  tunnel.now += 2s;
  const TunnelReport shown = report(tunnel);
  CHECK_FALSE(shown.unproven);
  REQUIRE(shown.forwards[0].proof);
  CHECK(shown.forwards[0].proof->result == ProofResult::verified);
  CHECK(shown.forwards[0].proof->age == 2s);
}

TEST_CASE("how sessions ended, and how often each cause was met, is reported") {
  SteppedTunnel tunnel(spec_with(1));
  tunnel.establish();
  tunnel.now += 2h;
  tunnel.session(SessionFailed{lost()});
  tunnel.now += 1min;
  const TunnelReport shown = report(tunnel);
  REQUIRE(shown.ends.size() == 1);
  CHECK(shown.ends[0].why == lost());
  CHECK(shown.ends[0].age == 1min);
  CHECK(shown.ends[0].held == 2h);
  CHECK(shown.ends[0].at == "1970-01-01T03:25:45.000Z");
  CHECK(shown.failures == std::map<Cause, std::uint64_t>{{Cause::connection_lost, 1}});
}

TEST_CASE("what a session does not know is not reported: while it opens, only how far that is") {
  SteppedTunnel tunnel(spec_with(1));
  tunnel.open_until(OpeningPhase::banner);
  const TunnelReport shown = report(tunnel);
  CHECK(shown.phase.kind == PhaseKind::opening);
  CHECK(shown.phase.opening == OpeningPhase::banner);
  CHECK_FALSE(shown.up);
  CHECK_FALSE(shown.cipher);
  CHECK_FALSE(shown.keepalive_rtt);
  CHECK_FALSE(shown.probe_period);
  CHECK(shown.forwards[0].state == ForwardState::pending);
}

TEST_CASE("a tunnel that waits reports its next try, its last error, and how each of its relays is") {
  TunnelSpec spec = spec_with(1);
  spec.relays = {{"relay.example", 22, "", {}}, {"other.example", 2222, "", {}}};
  SteppedTunnel tunnel(spec);
  while (tunnel.phase() != "backing_off" || tunnel.state.failover.current() == 0) {
    if (tunnel.phase() == "idle") {
      tunnel.after(Start{});
    } else if (tunnel.phase() == "backing_off") {
      tunnel.wait();
    }
    tunnel.session(SessionFailed{refused()});
  }
  const TunnelFacts facts = facts_of(tunnel);
  tunnel.now += 100ms;
  const Duration until_next = tunnel.in<BackingOff>().until - tunnel.now;
  const TunnelReport shown = report(tunnel, facts);
  CHECK(shown.relay == "other.example:2222");
  CHECK(shown.phase.next_retry == until_next);
  REQUIRE(shown.last_error);
  CHECK(shown.last_error->failure == refused());
  CHECK(shown.last_error->age == 100ms);
  CHECK(shown.last_error->at == "1970-01-01T03:25:45.000Z");
  REQUIRE(shown.relays.size() == 2);
  CHECK(shown.relays[0].relay == "relay.example:22");
  CHECK_FALSE(shown.relays[0].current);
  CHECK(shown.relays[1].current);
  CHECK(shown.relays[0].failure->failure.cause == Cause::connection_refused);
  CHECK(shown.relays[tunnel.in<BackingOff>().relay].next_try == until_next);
  CHECK(shown.relays[1].next_try == tunnel.state.failover.all()[1].next_try.value() - tunnel.now);

  const ChangeReport change = change_report_of(tunnel.spec, tunnel.state, tunnel.history, tunnel.now);
  CHECK(change.relay == shown.relay);
  CHECK(change.phase.kind == PhaseKind::backing_off);
  CHECK_FALSE(change.phase.opening);
  CHECK(change.attempt == shown.attempt);
  CHECK(change.phase.next_retry == until_next);
  CHECK(change.last_error->age == 100ms);

  tunnel.now += 1h;  // a timer may be late
  CHECK(report(tunnel, facts).phase.next_retry == 0s);
  CHECK(report(tunnel, facts).relays[tunnel.in<BackingOff>().relay].next_try == 0s);
}

TEST_CASE("of the relays only those that wait have a next try") {
  TunnelSpec spec = spec_with(1);
  spec.relays = {{"relay.example", 22, "", {}}, {"other.example", 2222, "", {}}};
  SteppedTunnel tunnel(spec);
  tunnel.after(Start{}).session(SessionFailed{{Cause::authentication_refused, "authenticate to", "relay.example", ""}});
  const TimePoint again = tunnel.state.failover.all()[0].next_try.value();
  tunnel.wait();
  const TunnelReport shown = report(tunnel);
  CHECK(shown.phase.kind == PhaseKind::opening);
  CHECK(shown.relays[0].next_try == again - tunnel.now);
  CHECK_FALSE(shown.relays[1].next_try);
}

TEST_CASE("a session that is asked nothing has no period of probes") {
  TunnelSpec spec = spec_with(1);
  spec.liveness.server_alive_interval = 0s;
  SteppedTunnel tunnel(spec);
  tunnel.establish();
  CHECK_FALSE(report(tunnel).probe_period);
}

TEST_CASE("the lease is reported from its opening to its loss, with why it can't be recorded") {
  SteppedTunnel tunnel(leased(1));
  TunnelFacts facts = facts_of(tunnel);
  CHECK(report(tunnel, facts).lease.empty());
  tunnel.establish();
  CHECK(report(tunnel, facts).lease == lease_opening);
  tunnel.session(LeaseOpened{});
  CHECK(report(tunnel, facts).lease == lease_ready);
  CHECK_FALSE(report(tunnel, facts).lease_outdated);
  facts.attempt.lease_outdated = true;
  facts.attempt.relay_clock = 1796006658;
  CHECK(report(tunnel, facts).lease_outdated);
  CHECK(report(tunnel, facts).relay_clock == 1796006658);
  facts.attempt.unrecorded = "denied";
  CHECK(report(tunnel, facts).lease == "the lease can't be recorded: denied");
  tunnel.session(LeaseLost{"the relay's script has ended"});
  CHECK(report(tunnel, facts).lease.starts_with("the relay's script has ended"));
  CHECK(report(tunnel, facts).lease.ends_with("; opened again in 10 s"));
}

TEST_CASE("a refused listener is reported with why, and with who holds it") {
  SteppedTunnel tunnel(leased(1));
  tunnel.authenticate();
  tunnel.session(LeaseOpened{});
  tunnel.session(ForwardAnswered{0, std::nullopt});
  tunnel.session(Knocked{0, KnockAnswer::answered});
  tunnel.session(Evicted{0, EvictOutcome::other_device, "gateway-8"});
  const ForwardReport shown = report(tunnel).forwards.at(0);
  CHECK(shown.state == ForwardState::refused);
  CHECK(shown.refusal == Refusal::held_by_other_device);
  CHECK(shown.holder == "gateway-8");
  CHECK(shown.bound_port == 0);
}
