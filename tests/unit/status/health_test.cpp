#include <doctest/doctest.h>

#include "holdfast/report.hpp"
#include "unit/status/example.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

TunnelReport tunnel(PhaseKind kind) {
  TunnelReport report;
  report.name = "relay";
  report.relay = "relay.example:22";
  report.phase.kind = kind;
  report.forwards = {{"localhost:4649", "localhost:22", ForwardState::pending, 0, 0, 0, 0}};
  return report;
}

TunnelReport up() {
  TunnelReport report = tunnel(PhaseKind::established);
  report.up = true;
  report.sessions_established = 1;
  report.forwards.at(0).state = ForwardState::held;
  return report;
}

TunnelReport degraded() {
  TunnelReport report = up();
  report.up = false;
  report.forwards.push_back({"localhost:80", "localhost:80", ForwardState::refused, 0, 0, 0, 0});
  return report;
}

TunnelReport backing_off() {
  TunnelReport report = tunnel(PhaseKind::backing_off);
  report.phase.next_retry = 12s;
  report.last_error = FailureReport{{Cause::connection_refused, "connect to", "relay.example:22", ""}, 3s};
  return report;
}

TunnelReport opening() {
  TunnelReport report = tunnel(PhaseKind::opening);
  report.phase.opening = OpeningPhase::key_exchange;
  return report;
}

Report of(std::vector<TunnelReport> tunnels) {
  Report report;
  report.tunnels = std::move(tunnels);
  return report;
}

}  // namespace

TEST_CASE("health is the worst of the tunnels") {
  CHECK(health(of({})) == Health::unknown);
  CHECK(health(of({up()})) == Health::ok);
  CHECK(health(of({up(), degraded()})) == Health::warning);
  CHECK(health(of({backing_off(), degraded(), up()})) == Health::critical);
}

TEST_CASE("a tunnel that opens for the first time is a warning, and one that comes back is critical") {
  for (const PhaseKind kind : {PhaseKind::idle, PhaseKind::opening, PhaseKind::requesting_forwards}) {
    CAPTURE(to_string(kind));
    CHECK(health(of({tunnel(kind)})) == Health::warning);

    TunnelReport was_up = tunnel(kind);
    was_up.sessions_established = 1;
    CHECK(health(of({was_up})) == Health::critical);

    TunnelReport failed_before = tunnel(kind);
    failed_before.last_error = backing_off().last_error;
    CHECK(health(of({failed_before})) == Health::critical);
  }
}

TEST_CASE("a tunnel that has given up its session is critical") {
  for (const PhaseKind kind : {PhaseKind::draining, PhaseKind::closing, PhaseKind::backing_off, PhaseKind::stopped}) {
    CAPTURE(to_string(kind));
    CHECK(health(of({tunnel(kind)})) == Health::critical);
  }
}

TEST_CASE("a condition says in words what keeps a tunnel from being up") {
  CHECK(condition(up()) == "up");
  CHECK(condition(backing_off()) == "backing off, next try in 12 s (connect to relay.example:22: connection refused)");
  CHECK(condition(opening()) == "opening: key exchange");
  CHECK(condition(tunnel(PhaseKind::requesting_forwards)) == "requesting forwards");
  CHECK(condition(tunnel(PhaseKind::stopped)) == "stopped");
  CHECK(condition(degraded()) == "established, but 1 of 2 forwards is missing: localhost:80 refused");

  TunnelReport none = degraded();
  none.forwards.at(0).state = ForwardState::requested;
  CHECK(condition(none) ==
        "established, but 2 of 2 forwards are missing: localhost:4649 requested, localhost:80 refused");
}

TEST_CASE("the only forward that is missing is one forward") {
  TunnelReport only = degraded();
  only.forwards.erase(only.forwards.begin());
  CHECK(condition(only) == "established, but 1 of 1 forward is missing: localhost:80 refused");
}

TEST_CASE("an error is why a tunnel is down while it backs off; later its age is told") {
  TunnelReport reopening = opening();
  reopening.last_error = backing_off().last_error;
  CHECK(condition(reopening) ==
        "opening: key exchange (last error 3.0 s ago: connect to relay.example:22: connection refused)");
}

TEST_CASE("a refused reload is a warning, for the next start will fail on the same file") {
  Report report = of({up()});
  report.last_reload_error = "holdfast.yaml:3:5: tunnels.relay.prot: unknown key";
  CHECK(health(report) == Health::warning);
  CHECK(summary(report) == "1 of 1 tunnel up; the last reload was refused");
}

TEST_CASE("what is in memory only is a warning, for the next start will not know it") {
  Report report = of({up()});
  report.unsaved = {"/var/lib/holdfast/known_hosts: Permission denied",
                    "/var/lib/holdfast/addresses: Permission denied"};
  CHECK(health(report) == Health::warning);
  CHECK(summary(report) == "1 of 1 tunnel up; not written to disk: /var/lib/holdfast/known_hosts: Permission denied");
}

TEST_CASE("a condition says why a listener was refused, and which device has it") {
  TunnelReport tunnel = degraded();
  tunnel.forwards.at(1).refusal = Refusal::held_stale;
  CHECK(condition(tunnel) == "established, but 1 of 2 forwards is missing: localhost:80 refused: held_stale");
  tunnel.forwards.at(1).refusal = Refusal::held_by_other_device;
  tunnel.forwards.at(1).holder = "gateway-8";
  CHECK(condition(tunnel.forwards.at(1)) == "refused: held_by_other_device gateway-8");
  CHECK(condition(tunnel.forwards.at(0)) == "held");
}

TEST_CASE("a twin that has the listener is named") {
  TunnelReport tunnel = degraded();
  tunnel.forwards.at(1).refusal = Refusal::held_by_twin;
  tunnel.forwards.at(1).holder = "gateway-7";
  CHECK(condition(tunnel.forwards.at(1)) == "refused: held_by_twin gateway-7");
}

namespace {

TunnelReport proven(ProofResult result, unsigned failures) {
  TunnelReport report = up();
  ProofReport proof;
  proof.result = result;
  proof.age = 12s;
  proof.failures = failures;
  if (is_bad(result)) proof.failure = Failure{Cause::target_down, "connect to", "localhost:22", "Connection refused"};
  report.forwards.at(0).proof = proof;
  return report;
}

}  // namespace

TEST_CASE("a port that is held and leads nowhere is critical; one failed proof of the path is only a warning") {
  CHECK(health(of({proven(ProofResult::verified, 0)})) == Health::ok);
  CHECK(health(of({proven(ProofResult::connected, 0)})) == Health::ok);
  CHECK(health(of({proven(ProofResult::not_permitted, 0)})) == Health::ok);
  CHECK(health(of({proven(ProofResult::lookup_failed, 0)})) == Health::ok);
  CHECK(health(of({proven(ProofResult::target_down, 1)})) == Health::critical);
  for (const ProofResult result : {ProofResult::path_broken, ProofResult::unanswered}) {
    CHECK(health(of({proven(result, 1)})) == Health::warning);
    CHECK(health(of({proven(result, 2)})) == Health::critical);
  }
}

TEST_CASE("a proof that is not permitted has a reason, and is no sign of trouble") {
  TunnelReport tunnel = proven(ProofResult::not_permitted, 0);
  tunnel.forwards.at(0).proof->failure = Failure{Cause::proof_not_permitted, "verify", "localhost:4649", ""};
  CHECK(health(of({tunnel})) == Health::ok);
  CHECK(condition(tunnel) == "up");
}

TEST_CASE("a condition says what a proof found, and a tunnel that leads nowhere stands in the summary") {
  const TunnelReport down = proven(ProofResult::target_down, 1);
  CHECK(condition(down) == "up, but connect to localhost:22: target down (Connection refused)");
  CHECK(condition(down.forwards.at(0)) == "held, target down");
  CHECK(condition(proven(ProofResult::verified, 0).forwards.at(0)) == "held, verified 12 s ago");
  ForwardReport world = proven(ProofResult::verified, 0).forwards.at(0);
  world.beyond_loopback = true;
  CHECK(condition(world) == "held, verified on loopback 12 s ago");
  world.listens_on = ListensOn::as_asked;
  CHECK(condition(world) == "held, verified 12 s ago");
  world.listens_on = ListensOn::loopback_only;
  CHECK(condition(world) == "held, verified on loopback 12 s ago, listens on loopback only (GatewayPorts)");
  CHECK(condition(proven(ProofResult::not_permitted, 0).forwards.at(0)) == "held, can't be verified");
  CHECK(condition(proven(ProofResult::lookup_failed, 0).forwards.at(0)) == "held, can't be verified");
  CHECK(summary(of({up(), down})) ==
        "2 of 2 tunnels up; relay: up, but connect to localhost:22: target down (Connection refused)");
}

TEST_CASE("a tunnel that has to be proven is not ready before") {
  TunnelReport tunnel = up();
  CHECK(is_ready(tunnel));
  tunnel.unproven = true;
  CHECK_FALSE(is_ready(tunnel));
  CHECK(condition(tunnel) == "up, not verified");
  CHECK_FALSE(is_ready(backing_off()));
}

TEST_CASE("a summary counts the tunnels and gives the conditions of those that are down") {
  CHECK(summary(of({})) == "no tunnels configured");
  CHECK(summary(of({up()})) == "1 of 1 tunnel up");
  CHECK(summary(of({up(), backing_off()})) ==
        "1 of 2 tunnels up; relay: backing off, next try in 12 s (connect to relay.example:22: connection refused)");
}

TEST_CASE("three tunnels that are down are each told, and nothing of more") {
  CHECK(summary(of(std::vector<TunnelReport>(3, tunnel(PhaseKind::stopped)))) ==
        "0 of 3 tunnels up; relay: stopped; relay: stopped; relay: stopped");
}

TEST_CASE("a summary of many tunnels stays one short line") {
  const std::string text = summary(of(std::vector<TunnelReport>(100, opening())));
  CHECK(
      text ==
      "0 of 100 tunnels up; relay: opening: key exchange; relay: opening: key exchange; relay: opening: key exchange; "
      "and 97 more");
}

// ---- several relays -----------------------------------------------------------------------------------------------

TEST_CASE("a tunnel that is up on another relay than the preferred one is ok, and says so") {
  Report report = test::failed_over_report();
  report.tunnels.at(0).relays.pop_back();
  CHECK(health(report) == Health::ok);
  CHECK(summary(report) ==
        "1 of 1 tunnel up; relay: up at b.example:22 instead of a.example:22 (connect to 192.0.2.8:22: connection "
        "refused)");
}

TEST_CASE("a changed host key of any relay is a warning, while the tunnel is up elsewhere") {
  Report report = test::failed_over_report();
  CHECK(health(report) == Health::warning);
  CHECK(summary(report).ends_with(", but not at c.example:22 (verify the host key of c.example:22: host key changed)"));

  TunnelReport& tunnel = report.tunnels.at(0);
  std::swap(tunnel.relays.at(0), tunnel.relays.at(1));
  CHECK(health(report) == Health::warning);
  CHECK(summary(report) ==
        "1 of 1 tunnel up; relay: up, but not at c.example:22 (verify the host key of c.example:22: host key changed)");

  tunnel.up = false;
  tunnel.phase.kind = PhaseKind::backing_off;
  CHECK(health(report) == Health::critical);
}

TEST_CASE("a wrong key is one that is changed, revoked or not pinned, not one that nobody told the device") {
  RelayReport relay{"a.example:22", true};
  CHECK_FALSE(shows_wrong_key(relay));
  const auto wrong = [&](Cause cause) {
    relay.failure = FailureReport{{cause, "verify the host key of", "a.example:22", ""}, 3s};
    return shows_wrong_key(relay);
  };
  CHECK(wrong(Cause::host_key_changed));
  CHECK(wrong(Cause::host_key_revoked));
  CHECK(wrong(Cause::host_key_not_pinned));
  CHECK_FALSE(wrong(Cause::host_key_unknown));
}

// ---- timeouts and penalties ---------------------------------------------------------------------------------------

TEST_CASE("a session that a timeout may end as it ended those before is a warning until it has outlived it") {
  TunnelReport tunnel = up();
  tunnel.relays = {{"relay.example:22", true}};
  tunnel.relays.at(0).timeouts = {{TimeoutOf::session, 20s}};
  tunnel.in_state = 39s;
  CHECK(health(of({tunnel})) == Health::warning);
  CHECK(summary(of({tunnel})) == "1 of 1 tunnel up; relay: up, but the sessions before were ended at the age of 20 s");
  tunnel.relays.at(0).timeouts = {{TimeoutOf::idle_connection, 20s}};
  CHECK(condition(tunnel) == "up, but the sessions before were ended after 20 s of silence");
  tunnel.in_state = 40s;
  CHECK(health(of({tunnel})) == Health::ok);
  CHECK(condition(tunnel) == "up");
}

TEST_CASE("a tunnel that was lost three times in ten minutes is a warning, though it is up") {
  TunnelReport tunnel = up();
  tunnel.losses = {{LossOf::session, 2, "connection lost"}};
  CHECK(health(of({tunnel})) == Health::ok);
  CHECK(condition(tunnel) == "up");
  tunnel.losses = {{LossOf::session, 14, "idle timeout"}, {LossOf::path, 1, "target down"}};
  CHECK(health(of({tunnel})) == Health::warning);
  CHECK(summary(of({tunnel})) ==
        "1 of 1 tunnel up; relay: up, but lost 14 times in the last 10 min, the last time by idle timeout");
  tunnel.losses = {{LossOf::session, most_losses, "connection lost"}, {LossOf::lease, 3, "its script ended"}};
  CHECK(condition(tunnel) ==
        "up, but lost at least 100 times in the last 10 min, the last time by connection lost, the lease was lost 3 "
        "times in the last 10 min, the last time because its script ended");
}

TEST_CASE("a lease's timeout, or that of a relay that is not used, is no warning") {
  TunnelReport tunnel = up();
  tunnel.relays = {{"a.example:22", true}, {"b.example:22", false}};
  tunnel.relays.at(0).timeouts = {{TimeoutOf::idle_lease, 20s}};
  tunnel.relays.at(1).timeouts = {{TimeoutOf::idle_connection, 20s}};
  CHECK(health(of({tunnel})) == Health::ok);
}

TEST_CASE("a changed configuration that can't come up is a warning, and said beside how the former one is") {
  Report report;
  report.tunnels = {up()};
  report.tunnels[0].change = ChangeReport{"relay.example:22", {PhaseKind::opening, OpeningPhase::key_exchange}, 1, {}};
  CHECK(health(report) == Health::ok);
  CHECK(summary(report) ==
        "1 of 1 tunnel up; relay: up, with the former configuration; the changed one is not up yet (opening: key "
        "exchange)");
  report.tunnels[0].change->last_error =
      FailureReport{{Cause::authentication_refused, "authenticate to", "relay.example:22", ""}, 3s};
  CHECK(health(report) == Health::warning);
  CHECK(summary(report) ==
        "1 of 1 tunnel up; relay: up, with the former configuration; the changed one can't come up: authenticate to "
        "relay.example:22: authentication refused");
  CHECK(is_ready(report.tunnels[0]));
  report.tunnels[0] = backing_off();
  report.tunnels[0].change = ChangeReport{};
  CHECK(health(report) == Health::critical);
}

TEST_CASE("a listener that listens on less than it was asked to is a warning, and told") {
  TunnelReport tunnel = proven(ProofResult::verified, 0);
  tunnel.forwards.at(0).listener = "*:4649";
  tunnel.forwards.at(0).beyond_loopback = true;
  tunnel.forwards.at(0).listens_on = ListensOn::loopback_only;
  CHECK(health(of({tunnel})) == Health::warning);
  CHECK(condition(tunnel) == "up, but *:4649 listens on loopback only (GatewayPorts)");
  CHECK(summary(of({tunnel})).find(condition(tunnel)) != std::string::npos);
  tunnel.forwards.at(0).listens_on = ListensOn::ipv4_only;
  CHECK(health(of({tunnel})) == Health::ok);
}
