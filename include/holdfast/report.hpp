#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/cause.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/listens_on.hpp"
#include "holdfast/losses.hpp"
#include "holdfast/time.hpp"
#include "holdfast/timeouts.hpp"
#include "holdfast/tunnel.hpp"

/// A snapshot of what the program knows: what the status socket, the CLI and systemd's STATUS= line are made from.
/// Times are ages and waits relative to the moment of the snapshot, so that a wall clock that jumps can't falsify them.
namespace holdfast {

struct ProofReport {
  ProofResult result{};
  Duration age{};
  unsigned failures = 0;           ///< in a row
  std::optional<Failure> failure;  ///< unless verified or connected
};

struct ForwardReport {
  std::string listener;  ///< listener_name()
  std::string target;    ///< target_name()
  ForwardState state{};
  std::uint16_t bound_port = 0;        ///< 0 unless held
  std::uint64_t connections = 0;       ///< open now
  std::uint64_t accepted = 0;          ///< since the tunnel was configured, like all counters here
  std::uint64_t target_refused = 0;    ///< the target did not take the connection
  std::optional<Refusal> refusal{};    ///< while refused
  std::string holder{};                ///< the other device, when its lease is why
  std::optional<ProofReport> proof{};  ///< the last on this session
  ListensOn listens_on{};              ///< while held
  bool beyond_loopback = false;        ///< asks_beyond_loopback()
};

struct FailureReport {
  Failure failure;
  Duration age{};
  std::string at{};  ///< what people's clocks said, as RFC 3339 has it; only of `last_error`
};

struct RelayReport {
  std::string relay;                           ///< relay_name()
  bool current = false;                        ///< in use, being tried, or tried last
  std::optional<FailureReport> failure{};      ///< the last one, until a session is established there
  std::optional<Duration> next_try{};          ///< or, of one better than the current: next look whether it is back
  std::optional<FailureReport> refusal{};      ///< the last time that it refused us or we it, likewise
  std::vector<Timeout> timeouts{};             ///< that its sessions have shown
  std::optional<std::uint32_t> max_segment{};  ///< of its sessions, in bytes, since large packets were lost
};

/// At the IP level, both ways; kept over restarts. Days and months are UTC's.
struct DataReport {
  std::uint64_t today = 0;
  std::uint64_t month = 0;
  std::optional<std::uint64_t> idle_per_hour{};    ///< measured; none before an hour without a visitor
  std::optional<std::uint64_t> projected_month{};  ///< this month's, if nobody uses the tunnel from now on
};

/// What a tunnel does.
struct PhaseReport {
  PhaseKind kind{};
  std::optional<OpeningPhase> opening{};  ///< how far, while opening
  std::optional<Duration> next_retry{};   ///< while backing off
};

/// A changed configuration that has not taken the tunnel over: it logs in beside the former one, which serves on.
struct ChangeReport {
  std::string relay{};  ///< these as in TunnelReport
  PhaseReport phase{};
  Attempt attempt = 0;
  std::optional<FailureReport> last_error{};  ///< why it could not take over so far
};

/// How a session that stood came to its end.
struct EndReport {
  std::optional<Failure> why;  ///< none: on request, or for a better relay
  Duration age{};              ///< since then
  Duration held{};
  std::string at{};  ///< as in FailureReport
};

/// Which layer is at fault, by the looks that cost no packet, and by the last error.
struct DiagnosisReport {
  Layer layer{};
  Cause cause{};
  std::string sentence;   ///< "the modem is registered, and has no data connection (APN internet)"
  std::string next_step;  ///< never empty
  Duration age{};         ///< since it was looked
  Duration outage{};      ///< how long the tunnel has been down
};

/// One tunnel, as the status document shows it. No rule ties the members to each other, so that nothing divides them.
struct TunnelReport {
  std::string name;
  std::string relay;     ///< relay_name() of the current one
  std::string server;    ///< what the relay of the running session says it is: "SSH-2.0-OpenSSH_9.2p1"; else empty
  std::string host_key;  ///< that it shows: "ssh-ed25519 SHA256:..."; empty likewise
  std::string address;   ///< the address connected to, "192.0.2.7:22"; empty when there is none
  PhaseReport phase;
  bool up = false;        ///< is_up()
  bool unproven = false;  ///< up, but with readiness: verified not is_proven()
  Duration in_state{};
  Attempt attempt = 0;
  std::uint64_t sessions_established = 0;
  std::optional<FailureReport> last_error;   ///< kept after recovery
  std::optional<DiagnosisReport> diagnosis;  ///< of an outage that lasts
  std::vector<std::string> relay_says;       ///< to who logs in, a line each, the last time
  std::vector<RecentLosses> losses;          ///< in the last losses_window
  std::vector<EndReport> ends;               ///< of the last sessions that stood, the latest last
  std::map<Cause, std::uint64_t> failures;   ///< how often each cause was met, since the start
  std::vector<ForwardReport> forwards;
  std::uint64_t refused_opens = 0;   ///< channel opens that we never asked for
  std::uint64_t bytes_received = 0;  ///< on the wire: TCP payload of all sessions to the relay
  std::uint64_t bytes_sent = 0;
  std::optional<DataReport> data;
  std::optional<Duration> keepalive_rtt;
  std::optional<Duration> probe_period;  ///< of the running session
  std::optional<std::string> cipher;     ///< of the running session
  std::string cipher_reason;             ///< why that one; empty without one
  std::vector<RelayReport> relays;       ///< in the order of preference
  std::string lease;            ///< lease_ready, lease_off, lease_opening, or why there is none; empty: no session
  bool lease_outdated = false;  ///< the script that runs there is of an earlier version than this program
  std::optional<std::int64_t> relay_clock{};  ///< what its clock shows, in seconds since 1970, by its own word
  std::optional<ChangeReport> change;         ///< all else here is of the former configuration then
};

inline constexpr std::string_view lease_ready = "ready";
inline constexpr std::string_view lease_off = "off";  ///< by configuration
inline constexpr std::string_view lease_opening = "opening";

/// The libssh that the process runs.
struct LibsshReport {
  std::string release;              ///< "0.10.6"
  std::string build;                ///< the linker's build id, in hexadecimal; empty if there is none
  std::vector<std::string> faults;  ///< names, docs/status.md
  std::string warning;              ///< what to do about those that an upgrade mends; empty if there is none
};

/// What a process runs by.
struct ConfigurationReport {
  std::string path;    ///< of the main file
  std::string digest;  ///< of all its files, as they were read: config::digest_of()
};

struct Report {
  std::string version;
  std::int64_t pid = 0;
  Duration uptime{};
  std::optional<ConfigurationReport> configuration{};
  std::optional<LibsshReport> libssh;
  std::optional<std::string> last_reload_error;
  std::uint64_t log_dropped = 0;       ///< lines that whoever reads the log did not take
  std::vector<std::string> unsaved{};  ///< "FILE: why": what is in memory only
  std::vector<TunnelReport> tunnels;
};

/// What /readyz asks for.
bool is_ready(const TunnelReport& tunnel);

enum class Health { ok, warning, critical, unknown };

/// How all is: the worst of what its parts are. Unknown: there is no tunnel. Ok: every tunnel is up, on whatever relay.
///
/// Critical, a tunnel that
/// - is down;
/// - leads to a target that is down;
/// - failed a proof twice.
///
/// Warning, a tunnel that
/// - is established, but lacks a forward;
/// - opens for the first time;
/// - may be ended by what ended the sessions before it (a timeout);
/// - has another relay that showed a host key that is not the known one;
/// - failed a proof once, for another reason than its target;
/// - has a listener that listens on less than it was asked to;
/// - lost something of one kind three times in ten minutes;
/// - has a changed configuration that can't take over.
///
/// Warning, the process, if
/// - something is in memory only;
/// - the last reload was refused: the next start will fail.
Health health(const Report& report);
/// What one tunnel adds to it.
Health health(const TunnelReport& tunnel);

/// "requesting forwards", "opening: key exchange".
std::string in_words(const PhaseReport& phase);
/// With the wait, if there is one: "backing off, next try in 12 s".
std::string condition(const PhaseReport& phase);

/// How a listener is: "held", "held, verified 12 s ago", "held, verified on loopback 12 s ago" where no more was seen,
/// "held, target down", "refused: held_stale", "refused: held_by_other_device gateway-8".
std::string condition(const ForwardReport& forward);

/// A relay whose host key is not what it should be: somebody has to look, even while the tunnel is up elsewhere.
bool shows_wrong_key(const RelayReport& relay);

/// How one tunnel is, in words. One line:
/// - "up"
/// - "up at b.example:22 instead of a.example:22"
/// - "up, but connect to localhost:22: target down (Connection refused)"
/// - "up, but lost 14 times in the last 10 min, the last time by idle timeout"
/// - "backing off, next try in 12 s (connect to relay.example:22: connection refused)"
/// - "established, but 1 of 2 forwards is missing: localhost:4649 refused: held_stale"
///
/// Where there is a changed configuration, this follows: ", with the former configuration; the changed one can't come
/// up: authenticate to relay.example:22: ...".
std::string condition(const TunnelReport& tunnel);

/// One line: how many tunnels are up, and the condition of at most three that are not well: "2 of 3 tunnels up; relay:
/// backing off, next try in 12 s (connect to relay.example:22: connection refused)"
std::string summary(const Report& report);

}  // namespace holdfast
