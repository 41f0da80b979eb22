#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/counters.hpp"
#include "holdfast/history.hpp"
#include "holdfast/report.hpp"

/// How a tunnel is shown: made of its state, and of the facts that step() has no need of.
namespace holdfast {

/// What is known of the attempt under way and its session.
struct AttemptFacts {
  std::string address{};                    ///< connected to: "192.0.2.7:22"; empty before
  std::string server{};                     ///< "SSH-2.0-OpenSSH_9.2p1"; empty before
  std::string host_key{};                   ///< "ssh-ed25519 SHA256:..."; empty likewise
  std::string cipher{};                     ///< empty before keys are exchanged
  std::string cipher_reason{};              ///< why that one
  std::optional<Duration> keepalive_rtt{};  ///< of the last keepalive that was answered
  std::string unrecorded{};                 ///< why the lease that it opened can't be recorded; empty if it can
  bool lease_outdated = false;              ///< see TunnelReport
  std::optional<std::int64_t> relay_clock{};
  std::vector<ListensOn> listens_on{};  ///< by forward, as far as the relay has told
};

struct TunnelFacts {
  TimePoint phase_entered;
  std::uint64_t sessions_established = 0;
  std::vector<Counters> counters{};  ///< by forward
  std::uint64_t refused_opens = 0;   ///< these three of all sessions
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  AttemptFacts attempt{};
  std::vector<std::string> relay_says{};  ///< see TunnelReport
};

/// `facts.counters` is parallel to `spec.remote_forward`, and `state` came out of step() with this `spec`. Not set are
/// `data` and `change`.
TunnelReport report_of(const TunnelSpec& spec, const TunnelState& state, const History& history,
                       const TunnelFacts& facts, TimePoint now);

/// Reports in short on a changed configuration that has not taken the tunnel over yet.
ChangeReport change_report_of(const TunnelSpec& spec, const TunnelState& state, const History& history, TimePoint now);

}  // namespace holdfast
