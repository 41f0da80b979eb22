#pragma once

#include "holdfast/report.hpp"

namespace holdfast::test {

/// One tunnel up that dropped once, one that waits for its next try: every key of the schema has a value somewhere.
inline Report example_report() {
  using namespace std::chrono_literals;
  TunnelReport relay;
  relay.name = "relay";
  relay.relay = "relay.example:22";
  relay.address = "192.0.2.7:22";
  relay.server = "SSH-2.0-OpenSSH_9.2p1";
  relay.host_key = "ssh-ed25519 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU";
  relay.relay_says = {"Authorised devices only"};
  relay.phase.kind = PhaseKind::established;
  relay.up = true;
  relay.in_state = 11400s;
  relay.attempt = 3;
  relay.sessions_established = 2;
  relay.last_error =
      FailureReport{{Cause::connection_lost, "read from", "relay.example:22", "Connection reset by peer"},
                    11460s + 250ms,
                    "2026-11-29T16:19:00.250Z"};
  relay.losses = {{LossOf::session, 1, "connection lost"}};
  relay.ends = {{std::nullopt, 90000s, 1800s, "2026-11-28T18:30:00.000Z"},
                {relay.last_error->failure, relay.last_error->age, 3600s, relay.last_error->at}};
  relay.failures = {{Cause::connection_refused, 3}, {Cause::connection_lost, 1}};
  relay.forwards = {{"localhost:4649", "localhost:22", ForwardState::held, 4649, 2, 118, 0},
                    {"*:0", "[::1]:8080", ForwardState::held, 41234, 0, 3, 1}};
  relay.forwards.at(0).proof = ProofReport{ProofResult::verified, 1234s + 567ms, 0, std::nullopt};
  relay.forwards.at(1).proof =
      ProofReport{ProofResult::not_permitted, 11399s, 0, Failure{Cause::proof_not_permitted, "verify", "*:41234", ""}};
  relay.refused_opens = 4;
  relay.bytes_received = 1234567;
  relay.bytes_sent = 999;
  relay.data = DataReport{15123, 4567890, 13680, 9876543};
  relay.keepalive_rtt = 31234us;
  relay.probe_period = 10s;
  relay.cipher = "aes128-gcm@openssh.com";
  relay.cipher_reason = "configured";
  relay.lease = lease_ready;
  relay.relays = {{"relay.example:22", true}};
  relay.relays.at(0).timeouts = {{TimeoutOf::idle_connection, 20s}};
  relay.relays.at(0).max_segment = 1220;

  TunnelReport backup;
  backup.name = "backup";
  backup.relay = "backup.example:2222";
  backup.phase.kind = PhaseKind::backing_off;
  backup.in_state = 4s;
  backup.attempt = 17;
  backup.phase.next_retry = 12s + 345ms;
  backup.last_error = FailureReport{{Cause::connection_refused, "connect to", "backup.example:2222", ""}, 4s};
  backup.diagnosis = DiagnosisReport{Layer::tcp,
                                     Cause::connection_refused,
                                     "TCP RST to our SYN: nobody listens, or a firewall rejects",
                                     "Check that sshd runs.",
                                     30s,
                                     240s};
  backup.relays = {{"backup.example:2222", true, backup.last_error, backup.phase.next_retry}};
  backup.relays.at(0).refusal = FailureReport{
      {Cause::authentication_refused, "authenticate to", "backup.example:2222", "it takes publickey"}, 64s};
  backup.forwards = {{"localhost:4650", "/run/app.sock", ForwardState::pending, 0, 0, 0, 0}};

  backup.change =
      ChangeReport{"backup.example:2223",
                   {PhaseKind::opening, OpeningPhase::connect},
                   2,
                   FailureReport{{Cause::connection_timed_out, "connect to", "backup.example:2223", ""}, 30s}};

  Report report;
  report.version = "0.1.0";
  report.pid = 4711;
  report.uptime = 12000s;
  report.configuration = ConfigurationReport{"/etc/holdfast/holdfast.yaml", "af63bd4c8601b7df"};
  report.libssh = LibsshReport{"0.10.6", "ab12", {"endless_write"}, ""};
  report.last_reload_error = "holdfast.yaml:3:5: tunnels.relay.prot: unknown key; did you mean 'port'?";
  report.tunnels = {relay, backup};
  return report;
}

/// A tunnel that is up on the second of its three relays; the third one has shown another host key.
inline Report failed_over_report() {
  using namespace std::chrono_literals;
  Report report = example_report();
  report.tunnels.pop_back();
  report.last_reload_error.reset();
  TunnelReport& tunnel = report.tunnels.at(0);
  tunnel.relay = "b.example:22";
  tunnel.last_error.reset();
  tunnel.refused_opens = 0;
  tunnel.forwards.pop_back();
  tunnel.relays = {
      {"a.example:22", false, FailureReport{{Cause::connection_refused, "connect to", "192.0.2.8:22", ""}, 240s}, 380s},
      {"b.example:22", true},
      {"c.example:22",
       false,
       FailureReport{{Cause::host_key_changed, "verify the host key of", "c.example:22", ""}, 300s},
       {}}};
  return report;
}

/// A session whose listeners another device and a dead session have, and that could not get its lease.
inline Report refused_report() {
  Report report = example_report();
  report.tunnels.pop_back();
  report.last_reload_error.reset();
  TunnelReport& relay = report.tunnels.at(0);
  relay.up = false;
  relay.last_error.reset();
  relay.refused_opens = 0;
  relay.forwards = {
      {"localhost:4649", "localhost:22", ForwardState::refused, 0, 0, 0, 0, Refusal::held_by_other_device, "gateway-8"},
      {"localhost:80", "localhost:80", ForwardState::refused, 0, 0, 0, 0, Refusal::held_stale, ""}};
  relay.lease = "the relay runs no commands for this account";
  relay.relays.at(0).timeouts.clear();
  relay.relays.at(0).max_segment.reset();
  return report;
}

}  // namespace holdfast::test
