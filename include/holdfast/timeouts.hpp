#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "holdfast/liveness.hpp"
#include "holdfast/time.hpp"

/// Timeouts at a relay, or on the way there, that nobody tells us of. Each is known by ends that are alike: a chance
/// ends one session after 20 s and the next after 7, a timeout ends all of them after 20.
namespace holdfast {

enum class TimeoutOf {
  idle_connection,  ///< a proxy's (HAProxy's `timeout client`, nginx's `proxy_timeout`): after the same silence
  session,          ///< whatever crosses: sshd's UnusedConnectionTimeout, or a limit on how long a connection lasts
  idle_lease,       ///< sshd's ChannelTimeout: the lease's channel is closed after the same silence, the session lives
};
/// "idle_connection".
std::string_view to_string(TimeoutOf of);

struct Timeout {
  TimeoutOf of{};
  Duration after{};  ///< whole seconds

  friend bool operator==(const Timeout&, const Timeout&) = default;
};

class Timeouts {
 public:
  /// A session is about to begin. What was found out more than a day ago is forgotten: it costs bytes, and the relay
  /// may have been mended.
  void session_begins(TimePoint now);
  /// The timeout that ended it, if it is one that is known by now. Three ends that are alike make one known; a silence
  /// or an age that outlasts it makes it forgotten. `closed`: by the other side or between, not by us.
  std::optional<Timeout> session_ended(const SessionAges& ages, bool closed, TimePoint now);
  /// The channel of the lease was closed twice after this silence, on a session that lives.
  void lease_closed_after(Duration silence, TimePoint now);

  /// The rule that the next session lives by: as patient, but no silence is longer than half of what is closed. Where a
  /// timeout counts the session's age, that would be for nothing; without server_alive_interval nothing is sent at all.
  LivenessSpec outlived_by(const LivenessSpec& spec) const;

  /// One is known that ends sessions, not channels on them.
  bool end_sessions() const;
  /// At most one of each kind.
  std::vector<Timeout> known() const;

  friend bool operator==(const Timeouts&, const Timeouts&) = default;

 private:
  struct Known {
    Timeout timeout;
    TimePoint since;

    friend bool operator==(const Known&, const Known&) = default;
  };

  const Known* find(TimeoutOf of) const;
  void forget(TimeoutOf of);
  void learn(TimeoutOf of, Duration after, TimePoint now);
  std::optional<Timeout> learn_from_the_last(TimePoint now);

  std::vector<Known> known_;
  std::vector<SessionAges> closed_;  ///< the last that were closed in a row, until they make a timeout known
  std::optional<Duration> age_;      ///< of the sessions that made idle_connection known, if that was alike too
};

/// A spec as patient as `spec`, with a probe after each half of `silence`; `spec` itself if it probes so already, or
/// never.
LivenessSpec probing_within(const LivenessSpec& spec, Duration silence);

/// Within what clocks of whole seconds and a network's delays make of the same timeout.
bool alike(Duration one, Duration other);

}  // namespace holdfast
