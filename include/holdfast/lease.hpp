#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "holdfast/happening.hpp"
#include "holdfast/listeners.hpp"
#include "holdfast/liveness.hpp"
#include "holdfast/time.hpp"
#include "holdfast/turn.hpp"

/// The session's channel to the script on the relay, which records whose a listener is, evicts a dead session's, and
/// ends the session of a device that has gone silent:
///
///     absent ──▶ opening ──opened──▶ ready: records, heartbeats
///                 │    ▲              │ lost
///                 ▼    └──── later ───┴─▶ lost
///               lost, for this session
///
/// The tunnel stands without it: where the script can't be had, the liveness rule's own probes do what its heartbeats
/// would.
namespace holdfast {

// ---- what the script did ------------------------------------------------------------------------------------------

struct LeaseOpened {};  ///< the relay's script answers: evictions and heartbeats can be asked for
struct LeaseLost {
  std::string reason;
};

// ---- what to do about it ------------------------------------------------------------------------------------------

struct OpenLease {   ///< answers LeaseOpened or LeaseLost
  Duration guard{};  ///< after a silence this long the relay's script ends the session; zero: never

  friend bool operator==(const OpenLease&, const OpenLease&) = default;
};
struct EndLease {  ///< its channel, whatever stands of it; answers nothing
  friend bool operator==(const EndLease&, const EndLease&) = default;
};
struct RecordLease {  ///< the forward is held: the relay's script notes whose it is
  std::size_t forward = 0;

  friend bool operator==(const RecordLease&, const RecordLease&) = default;
};
struct SendHeartbeat {  ///< on the lease's channel; its echo is a packet received
  friend bool operator==(const SendHeartbeat&, const SendHeartbeat&) = default;
};
using LeaseAction = std::variant<OpenLease, EndLease, RecordLease, SendHeartbeat, Happened>;

class LeaseChannel {
 public:
  /// `liveness`: the rule that the session lives by.
  explicit LeaseChannel(const LivenessSpec& liveness) : liveness_(liveness) {}

  /// The listeners moved on: opens the channel the first time that it may be, and records what came to be held.
  std::vector<LeaseAction> update(const ForwardTable& forwards, const Turn& turn);
  /// The heartbeats begin; what is held is recorded by the next update().
  void opened(const Turn& turn);
  /// Tried again, if it ever worked on this session: after 10 s, then after twice as long each time, up to 10 min. What
  /// was closed twice after the same silence has a timeout (sshd's ChannelTimeout): then at once, and with heartbeats
  /// that come before it.
  std::vector<LeaseAction> lost(const std::string& reason, const Turn& turn);
  /// Call at due() or later: a heartbeat; or gives up an opening (then is_lost()), or opens again what was lost.
  std::vector<LeaseAction> expired(const Turn& turn);
  /// The session ends: the guard wants heartbeats until then, but nothing else is waited for.
  void open_no_more();

  /// Evictions can be asked for.
  bool ready() const { return state_ == State::ready; }
  bool is_lost() const { return state_ == State::lost; }
  /// Why; empty unless it is lost.
  const std::string& problem() const { return problem_; }
  /// The silence after which it was closed twice.
  std::optional<Duration> timeout() const { return timeout_; }
  /// How often it beats: the session's, or more often.
  const LivenessSpec& liveness() const { return liveness_; }
  /// A heartbeat's echo comes a round trip after it, and so a little after the silence that began with the echo before:
  /// what is on its way is the probe.
  bool has_just_beaten(TimePoint now) const;
  std::optional<TimePoint> due() const { return due_; }

  friend bool operator==(const LeaseChannel&, const LeaseChannel&) = default;

 private:
  enum class State { absent, opening, ready, lost };

  std::vector<LeaseAction> open(const Turn& turn);
  std::vector<LeaseAction> beat(const Turn& turn);
  std::vector<LeaseAction> record(const ForwardTable& forwards, const Turn& turn);
  void schedule_beat(const Turn& turn);

  LivenessSpec liveness_;
  State state_ = State::absent;  ///< absent: not wanted, or not asked for yet
  std::optional<TimePoint> due_;
  std::vector<bool> recorded_;            ///< parallel to the forwards
  TimePoint last_used_;                   ///< valid while it is ready
  std::optional<Duration> closed_after_;  ///< the silence, the last time
  std::optional<Duration> timeout_;
  unsigned losses_ = 0;
  std::string problem_;
};

}  // namespace holdfast
