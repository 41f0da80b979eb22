#include "holdfast/running.hpp"

#include <doctest/doctest.h>

#include "holdfast/diagnosis.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

TunnelSpec spec() {
  TunnelSpec spec;
  spec.name = "relay";
  spec.host_name = "relay.example";
  spec.user = "tunnel";
  return spec;
}

TunnelReport standing() {
  TunnelReport tunnel;
  tunnel.relay = "relay.example:22";
  tunnel.address = "192.0.2.7:22";
  tunnel.server = "SSH-2.0-OpenSSH_9.2p1";
  tunnel.host_key = "ssh-ed25519 SHA256:abc";
  tunnel.cipher = "aes128-gcm@openssh.com";
  tunnel.phase.kind = PhaseKind::established;
  tunnel.up = true;
  tunnel.in_state = 4min;
  tunnel.lease = lease_ready;
  tunnel.forwards = {{"localhost:4649", "localhost:22", ForwardState::held, 4649}};
  tunnel.forwards[0].proof = ProofReport{ProofResult::verified, 10s, 0, std::nullopt};
  return tunnel;
}

TunnelReport backing_off(Cause cause) {
  TunnelReport tunnel;
  tunnel.relay = "relay.example:22";
  tunnel.phase.kind = PhaseKind::backing_off;
  tunnel.phase.next_retry = 12s;
  tunnel.last_error = FailureReport{{cause, "keep alive", "relay.example:22", "why"}, 4min};
  return tunnel;
}

Judgement judged(const TunnelReport& tunnel, Layer layer) {
  const Findings findings = findings_of(spec(), tunnel);
  REQUIRE(findings.contains(layer));
  return judge(layer, findings.at(layer));
}

}  // namespace

TEST_CASE("a session that stands shows that all below it does, and of what") {
  const TunnelReport tunnel = standing();
  CHECK(has_session(tunnel));
  const Diagnosis diagnosis = diagnose(findings_of(spec(), tunnel));
  CHECK_FALSE(diagnosis.answer);
  CHECK(judged(tunnel, Layer::banner).measured ==
        "the running session is through: SSH-2.0-OpenSSH_9.2p1 at 192.0.2.7:22");
  CHECK(judged(tunnel, Layer::key_exchange).measured == "the running session is through: aes128-gcm@openssh.com");
  CHECK(judged(tunnel, Layer::host_key).measured == "the running session is through: ssh-ed25519 SHA256:abc");
  CHECK(judged(tunnel, Layer::authentication).measured == "the running session is through: as tunnel");
  CHECK(judged(tunnel, Layer::session).measured == "holds for 4 min 0 s at 192.0.2.7:22");
  CHECK(judged(tunnel, Layer::listener).measured == "localhost:4649 held, verified 10 s ago");
  CHECK(judged(tunnel, Layer::lease).result == CheckResult::pass);
  CHECK(judged(tunnel, Layer::proof).result == CheckResult::pass);
}

TEST_CASE("which states have a session, and that one which is being ended does not hold") {
  TunnelReport tunnel = standing();
  for (const PhaseKind kind :
       {PhaseKind::standing_by, PhaseKind::requesting_forwards, PhaseKind::established, PhaseKind::draining}) {
    tunnel.phase.kind = kind;
    CHECK(has_session(tunnel));
  }
  CHECK(judged(tunnel, Layer::session).measured == "is being ended, for 4 min 0 s at 192.0.2.7:22");
  for (const PhaseKind kind :
       {PhaseKind::idle, PhaseKind::opening, PhaseKind::closing, PhaseKind::backing_off, PhaseKind::stopped}) {
    tunnel.phase.kind = kind;
    CHECK_FALSE(has_session(tunnel));
  }
}

TEST_CASE("a session on a spare relay says what keeps it from the preferred one") {
  TunnelReport tunnel = standing();
  const FailureReport refused{{Cause::connection_refused, "connect to", "a.example:22", ""}, 1min};
  tunnel.relays = {{"a.example:22", false, refused},
                   {"b.example:22", false},
                   {"c.example:22", true},
                   {"d.example:22", false, refused}};
  const auto evidence = judged(tunnel, Layer::session).evidence;
  CHECK(evidence ==
        std::vector<std::string>{"the preferred a.example:22: connect to a.example:22: connection refused"});
}

TEST_CASE("the worst of several forwards is told, the others beside it") {
  TunnelReport tunnel = standing();
  tunnel.forwards.push_back({"localhost:4650", "localhost:80", ForwardState::refused, 0});
  tunnel.forwards.back().refusal = Refusal::policy;
  const Judgement judgement = judged(tunnel, Layer::listener);
  CHECK(judgement.cause == Cause::forward_refused);
  CHECK(judgement.evidence.back() == "localhost:4649 held, verified 10 s ago");
}

TEST_CASE("a session that is lost again and again is at fault, and a listener that is held softens that") {
  TunnelReport tunnel = standing();
  tunnel.losses = {{LossOf::session, 3, "idle timeout"}};
  tunnel.ends = {{Failure{Cause::idle_timeout, "hold the session with", "relay.example:22", ""}, 1min, 2min}};
  const Diagnosis diagnosis = diagnose(findings_of(spec(), tunnel));
  CHECK(diagnosis.answer == Layer::session);
  CHECK(result_of(diagnosis) == CheckResult::warn);
  tunnel.losses[0].times = 2;
  CHECK_FALSE(diagnose(findings_of(spec(), tunnel)).answer);
}

TEST_CASE("the last error is a finding of the session, and evidence of its own layer") {
  Findings findings = findings_of(spec(), backing_off(Cause::connection_refused));
  TcpFindings::Try refused;
  refused.to = "192.0.2.7:22";
  refused.failed = Cause::connection_refused;
  TcpFindings tcp;
  tcp.tries = {refused};
  findings[Layer::tcp] = tcp;
  const Diagnosis diagnosis = diagnose(findings);
  CHECK(diagnosis.answer == Layer::tcp);
  CHECK(diagnosis.judgements.at(0).evidence.empty());  // the look met the same
  CHECK(diagnosis.judgements.at(1).layer == Layer::session);
  CHECK(diagnosis.judgements.at(1).hidden_by == Layer::tcp);
  tcp.tries.front().failed = Cause::connection_timed_out;
  findings[Layer::tcp] = tcp;
  CHECK(diagnose(findings).judgements.at(0).evidence.back() ==
        "the tunnel's own last error: keep alive relay.example:22: connection refused (why)");
}

TEST_CASE("a tunnel that waits is down, even where all that can be looked at is well by now") {
  const Judgement session = judged(backing_off(Cause::relay_silent), Layer::session);
  CHECK(session.result == CheckResult::fail);
  CHECK(session.cause == Cause::relay_silent);
  CHECK(session.evidence.front() == "backing off, next try in 12 s");
  CHECK_FALSE(findings_of(spec(), backing_off(Cause::connection_refused)).contains(Layer::tcp));  // others look there
}

TEST_CASE("sessions that ended alike share a line, the latest first") {
  TunnelReport tunnel = backing_off(Cause::relay_silent);
  const Failure lost{Cause::connection_lost, "read from", "relay", ""};
  const Failure silent{Cause::relay_silent, "keep alive", "relay", ""};
  tunnel.ends = {{lost, 3h, 1h}, {silent, 2h, 1h}, {lost, 1h, 1h}, {lost, 1min, 1h}};
  const Judgement session = judged(tunnel, Layer::session);
  REQUIRE(session.evidence.size() == 3);
  CHECK(session.evidence[1] ==
        "1 min 0 s ago a session ended after 1 h 0 min: read from relay: connection lost; 2 before it ended alike");
  CHECK(session.evidence[2] == "2 h 0 min ago a session ended after 1 h 0 min: keep alive relay: relay silent");
  tunnel.ends = {{silent, 3h, 1h}, {silent, 2h, 1h}, {lost, 1h, 1h}};
  CHECK(judged(tunnel, Layer::session).evidence[2].ends_with("relay silent; 1 before it ended alike"));
  tunnel.ends = {{silent, 3h, 1h}, {silent, 2h, 1h}};
  CHECK(judged(tunnel, Layer::session).evidence[1].ends_with("relay silent; 1 before it ended alike"));
}

TEST_CASE("a tunnel that never had a session, and no error, is not judged") {
  TunnelReport tunnel;
  tunnel.phase.kind = PhaseKind::opening;
  tunnel.phase.opening = OpeningPhase::connect;
  CHECK(judged(tunnel, Layer::session).result == CheckResult::skip);
  CHECK(judged(tunnel, Layer::session).measured == "it has none yet: opening: connect");
  CHECK(judged(tunnel, Layer::listener).result == CheckResult::skip);
}

TEST_CASE("a refused listener that ends the session is a fault of the listener, not of the session") {
  const TunnelReport tunnel = backing_off(Cause::listener_held_stale);
  CHECK(judged(tunnel, Layer::session).result == CheckResult::skip);
  CHECK(judged(tunnel, Layer::listener).cause == Cause::listener_held_stale);
}

TEST_CASE("a refused listener says by whom it is held, as the failure told of it or as the status does") {
  TunnelReport tunnel = standing();
  tunnel.up = false;
  tunnel.forwards = {
      {"localhost:4649", "localhost:22", ForwardState::refused, 0, 0, 0, 0, Refusal::held_by_other_device, "gw-8"},
      {"localhost:80", "localhost:80", ForwardState::refused, 0, 0, 0, 0, Refusal::policy}};
  Judgement listener = judged(tunnel, Layer::listener);
  CHECK(listener.cause == Cause::listener_held_by_other_device);
  CHECK(listener.measured.find("gw-8") != std::string::npos);
  CHECK(listener.evidence.back().find("localhost:80") != std::string::npos);
  tunnel.last_error =
      FailureReport{{Cause::privileged_port, "listen on relay", "localhost:80", "the relay's rules forbid it"}, 1min};
  tunnel.forwards.erase(tunnel.forwards.begin());
  listener = judged(tunnel, Layer::listener);
  CHECK(listener.cause == Cause::privileged_port);
}

TEST_CASE("of a stale listener it is said who had it most likely, and when it is free, by the server's version") {
  TunnelReport tunnel = standing();
  tunnel.up = false;
  tunnel.server = "SSH-2.0-OpenSSH_9.2p1 Debian-2";
  tunnel.forwards = {{"localhost:4649", "localhost:22", ForwardState::refused, 0, 0, 0, 0, Refusal::held_stale}};
  tunnel.ends = {{Failure{Cause::relay_silent, "keep alive", "relay", ""}, 3min, 2h}};
  const Judgement listener = judged(tunnel, Layer::listener);
  CHECK(listener.cause == Cause::listener_held_stale);
  CHECK(listener.next_step.find("after twice ClientAliveInterval") != std::string::npos);
  CHECK(listener.evidence.back().find("most likely by this tunnel's session before: 3 min 0 s ago") == 0);
  tunnel.ends.clear();
  CHECK(judged(tunnel, Layer::listener).evidence.back().find("most likely") == std::string::npos);
}

TEST_CASE("a listener that listens on less than was asked for only warns") {
  TunnelReport tunnel = standing();
  tunnel.forwards[0].listens_on = ListensOn::loopback_only;
  const Judgement listener = judged(tunnel, Layer::listener);
  CHECK(listener.result == CheckResult::warn);
  CHECK(listener.cause == Cause::listens_elsewhere);
  CHECK(listener.next_step == remedy(ListensOn::loopback_only));
}

TEST_CASE("a lease that can't run is said, and no alarm") {
  TunnelReport tunnel = standing();
  tunnel.lease = "the relay runs no commands for this account";
  const Judgement lease = judged(tunnel, Layer::lease);
  CHECK(lease.result == CheckResult::pass);
  CHECK(lease.cause == Cause::lease_unavailable);
  CHECK(lease.measured.find("runs no commands") != std::string::npos);
  tunnel.lease = lease_off;
  CHECK(judged(tunnel, Layer::lease).result == CheckResult::skip);
}

TEST_CASE("a script of an earlier version is worth a look, while it runs") {
  TunnelReport tunnel = standing();
  tunnel.lease_outdated = true;
  const Judgement lease = judged(tunnel, Layer::lease);
  CHECK(lease.result == CheckResult::warn);
  CHECK(lease.cause == Cause::lease_outdated);
  CHECK(lease.next_step.find("holdfast relay-script") != std::string::npos);
  tunnel.lease = "the relay's script has ended";
  CHECK(judged(tunnel, Layer::lease).cause == Cause::lease_unavailable);
}

TEST_CASE("a proof that fails is told, and one whose target is down is left to the target's own layer") {
  TunnelReport tunnel = standing();
  tunnel.forwards[0].proof =
      ProofReport{ProofResult::path_broken, 1s, 2, Failure{Cause::path_broken, "verify", "localhost:4649", ""}};
  CHECK(judged(tunnel, Layer::proof).cause == Cause::path_broken);
  tunnel.forwards[0].proof =
      ProofReport{ProofResult::target_down, 1s, 2, Failure{Cause::target_down, "verify", "localhost:4649", ""}};
  CHECK(judged(tunnel, Layer::proof).result == CheckResult::pass);
  tunnel.forwards[0].proof.reset();
  CHECK(judged(tunnel, Layer::proof).result == CheckResult::skip);
  tunnel = standing();
  tunnel.forwards.push_back(tunnel.forwards.front());
  tunnel.forwards.back().proof = ProofReport{ProofResult::not_permitted, 1s, 0,
                                             Failure{Cause::proof_not_permitted, "verify", "localhost:4649", ""}};
  CHECK(judged(tunnel, Layer::proof).cause == Cause::proof_not_permitted);
}

TEST_CASE("of an outage the last error is judged beside what was looked at without a packet") {
  Findings looked;
  looked[Layer::route] = RouteFindings{{}, {{"192.0.2.7", "eth0", "192.0.2.1", "", ""}}, {}, ""};
  const Diagnosis refused = diagnose(with_what_is_known(looked, spec(), backing_off(Cause::connection_refused)));
  CHECK(refused.answer == Layer::tcp);
  const Diagnosis unreachable = diagnose(with_what_is_known(looked, spec(), backing_off(Cause::unreachable)));
  CHECK(unreachable.answer == Layer::session);  // the route is there again
  looked[Layer::link] = LinkFindings{};         // which says that there is none
  CHECK(diagnose(with_what_is_known(looked, spec(), backing_off(Cause::connection_timed_out))).answer == Layer::link);
  CHECK(diagnose(with_what_is_known(looked, spec(), backing_off(Cause::authentication_refused))).answer ==
        Layer::authentication);  // whoever was let that far had a link
  TunnelReport refused_listener = standing();
  refused_listener.up = false;
  refused_listener.forwards[0].state = ForwardState::refused;
  CHECK(diagnose(with_what_is_known(looked, spec(), refused_listener)).answer == Layer::listener);
}

TEST_CASE("what came in the place of a banner names who answers") {
  const auto cause_of = [](const std::string& said, Cause failed) {
    StepFindings found;
    found.said = said;
    found.failure = Failure{failed, "read the banner of", "relay.example:22", ""};
    return judge(Layer::banner, found).cause;
  };
  CHECK(cause_of("HTTP/1.1 400 Bad Request", Cause::protocol_mismatch) == Cause::captive_portal);
  CHECK(cause_of("<!DOCTYPE html>", Cause::protocol_mismatch) == Cause::captive_portal);
  CHECK(cause_of("a TLS record", Cause::protocol_mismatch) == Cause::protocol_mismatch);
  CHECK(cause_of("Exceeded MaxStartups", Cause::relay_disconnected) == Cause::relay_penalty);
  CHECK(cause_of("Not allowed at this time", Cause::relay_penalty) == Cause::relay_penalty);
  CHECK(cause_of("", Cause::connection_lost) == Cause::no_banner);
  CHECK(cause_of("", Cause::phase_timed_out) == Cause::no_banner);
  StepFindings old;
  old.said = old.measured = "SSH-1.5-OpenSSH_2.1";
  CHECK(judge(Layer::banner, old).cause == Cause::relay_too_old);
  old.said = old.measured = "SSH-1.99-OpenSSH_9.2p1";
  CHECK(judge(Layer::banner, old).result == CheckResult::pass);
}
