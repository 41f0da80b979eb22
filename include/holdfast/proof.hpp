#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "holdfast/failure.hpp"
#include "holdfast/knock_hosts.hpp"
#include "holdfast/listeners.hpp"
#include "holdfast/time.hpp"
#include "holdfast/turn.hpp"
#include "holdfast/verdict.hpp"

/// Does a held listener lead to its target? The only way to know is to walk it:
///
///     we ──direct-tcpip──▶ relay ──connects to its own listener──▶ forwarded-tcpip ──▶ we ──▶ target
///                                                                          its first bytes, the same way back
///
/// A mark tells which of the connections that come in meanwhile is ours: a few random bytes, sent once a connection has
/// come in. They are taken out again before they reach the target. So nobody else ever receives one as long as nothing
/// comes in, and a visitor at the same moment is not taken for the proof.
namespace holdfast {

enum class ProofResult {
  verified,       ///< the target's first bytes came through the relay
  connected,      ///< the connection came back and the target took it, but does not speak first
  target_down,    ///< the connection came back, and the target did not take it: no reconnect would help
  not_permitted,  ///< the relay lets us open no connection of this kind: unknown, and no sign of trouble
  lookup_failed,  ///< the relay can't look its listener's name up, and may not connect to the address: likewise
  path_broken,    ///< the relay connected, or was refused, and nothing came back to us: the listener is not ours
  unanswered,     ///< the relay did not connect for another reason, or did not say whether it does
};
/// "verified", "connected", ...
std::string_view to_string(ProofResult result);
/// Nothing more could be asked of it: verified or connected.
bool is_good(ProofResult result);
/// target_down, path_broken or unanswered.
bool is_bad(ProofResult result);

struct Proof {
  ProofResult result{};
  TimePoint at;
  unsigned failures = 0;           ///< bad results in a row on this session, this one included
  std::optional<Failure> failure;  ///< unless good

  friend bool operator==(const Proof&, const Proof&) = default;
};

/// What a tunnel remembers over all its sessions.
struct ProofHistory {
  struct Path {
    bool proven = false;                    ///< was good at least once
    std::optional<TimePoint> broken_since;  ///< path_broken, and nothing else since

    friend bool operator==(const Path&, const Path&) = default;
  };
  std::vector<Path> paths;  ///< parallel to TunnelSpec::remote_forward
  unsigned renewals = 0;    ///< sessions given up for a broken path since one was last good
  std::optional<TimePoint> last_renewal;

  friend bool operator==(const ProofHistory&, const ProofHistory&) = default;
};

// ---- what happened to a proof under way ---------------------------------------------------------------------------

enum class ProofNews {
  opened,          ///< the relay connected to its listener
  nobody_listens,  ///< it tried: SSH_OPEN_CONNECT_FAILED, and it says that the connection was refused
  not_connected,   ///< SSH_OPEN_CONNECT_FAILED, and it says anything else
  not_permitted,   ///< SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
  not_opened,      ///< refused for another reason
  target_failed,   ///< a connection came in, and the target did not take it
  returned,        ///< our connection came in, and the target took it
  answered,        ///< bytes came back, after a connection had come in
  stranger,        ///< bytes came back, and no connection had come in: they can't be our target's
  ended,           ///< the connection ended without a byte
};
struct ProofAdvanced {
  std::size_t forward = 0;
  ProofNews news{};
  std::string detail{};  ///< of target_failed and not_connected: why
  bool in_use = false;   ///< visitors have connections open through this tunnel
};

// ---- what to do about it ------------------------------------------------------------------------------------------

struct Prove {  ///< answers ProofAdvanced; in place of the one under way, if there is one
  std::size_t forward = 0;
  std::string host;  ///< what the relay is asked to connect to

  friend bool operator==(const Prove&, const Prove&) = default;
};
struct EndProof {             ///< hangs up, whatever stands of it; answers nothing
  bool keep_channel = false;  ///< the way through the relay and back stays open, if it came so far; not the target

  friend bool operator==(const EndProof&, const EndProof&) = default;
};
using ProofAction = std::variant<Prove, EndProof>;

/// The proofs of one session's listeners, one at a time: as soon as one is held, then every verify_interval; after a
/// failure sooner.
class Proofs {
 public:
  /// `server`: what the relay says it is.
  explicit Proofs(std::size_t count, std::string server = {}) : server_(std::move(server)), table_(count) {}

  /// A listener may have come to be held.
  std::vector<ProofAction> update(const ForwardTable& forwards, const Turn& turn);
  /// A path that stays broken drains the session, for a new one is worth its price: nobody uses this one, and the last
  /// one that was given up for this is long enough ago.
  Conclusion<ProofAction> advanced(const ProofAdvanced& news, const Turn& turn, ProofHistory& history);
  /// Call at due() or later.
  Conclusion<ProofAction> expired(const Turn& turn, ProofHistory& history);

  std::optional<TimePoint> due() const;
  bool under_way() const { return running_.has_value(); }
  /// The last result of a forward on this session.
  const std::optional<Proof>& result(std::size_t forward) const { return table_[forward].last; }
  friend bool operator==(const Proofs&, const Proofs&) = default;

 private:
  struct Entry {
    std::uint16_t bound_port = 0;  ///< valid once it was held
    std::optional<TimePoint> due;  ///< none: not held, being proven, or nothing more to be learnt on this session
    std::optional<Proof> last;
    unsigned broken = 0;  ///< path_broken in a row

    friend bool operator==(const Entry&, const Entry&) = default;
  };
  struct Running {
    std::size_t forward = 0;
    KnockHosts hosts;
    TimePoint deadline;
    bool opened = false;
    bool returned = false;
    bool answered = false;

    friend bool operator==(const Running&, const Running&) = default;
  };

  std::vector<ProofAction> start_next(const Turn& turn);
  Conclusion<ProofAction> not_opened(KnockFailure why, const std::string& words, const Turn& turn,
                                     ProofHistory& history);
  Conclusion<ProofAction> finish(ProofResult result, std::string detail, const Turn& turn, ProofHistory& history);
  Conclusion<ProofAction> finish_at_deadline(const Turn& turn, ProofHistory& history);
  Verdict verdict(TimePoint now, ProofHistory& history) const;

  std::string server_;
  std::vector<Entry> table_;
  std::optional<Running> running_;
  bool in_use_ = false;
  bool by_address_ = false;  ///< the relay could not look a name up: that may take it long, and hold the session up
};

}  // namespace holdfast
