#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "holdfast/cause.hpp"
#include "holdfast/knock_hosts.hpp"
#include "holdfast/time.hpp"
#include "holdfast/turn.hpp"

/// The remote forwards of one session. `tcpip-forward` is refused without a reason (RFC 4254, 7.1), so that a refused
/// one climbs a ladder:
///
///     ask ──refused──▶ knock on the relay's port ──▶ nobody listens: ask once more, then it is policy
///      ▲                                         ├─▶ somebody answers: held live, never touched
///      │                                         └─▶ silence (held stale), or no way to look (unexplained)
///      │                                             ──▶ evict, if the lease says that it is ours
///      └───────── again and again, the sparser the longer it lasts ◀────────────────┘
///
/// Who holds it, the lease is asked in either case; but not where a forward of this very session has the port.
namespace holdfast {

enum class ForwardState { pending, requested, knocking, identifying, evicting, held, refused };
std::string_view to_string(ForwardState state);

/// Why a listener was refused, as far as it can be known.
enum class Refusal {
  unexplained,           ///< the relay does not let us knock, or can't
  policy,                ///< nobody listens there: permitlisten, AllowTcpForwarding, a privileged port
  held_live,             ///< somebody answers on the port
  held_stale,            ///< the port is open and silent: a dead session, most likely
  held_by_other_device,  ///< a live lease of another device
  held_by_twin,          ///< the same of another device that has this one's name
};
/// "unexplained", "policy", "held_live", "held_stale", "held_by_other_device", "held_by_twin".
std::string_view to_string(Refusal refusal);
/// What a failure to listen is called then.
Cause cause_of(Refusal refusal);

struct Explanation {
  Refusal refusal{};
  std::string holder;  ///< the other device's id; else empty
  TimePoint knocked;   ///< a knock keeps a dead session alive on the relay: they are rare
  std::optional<TimePoint> evict_tried;
  std::string no_knock{};            ///< why the relay could not knock, if it tried: KnockHosts::in_words()
  std::optional<std::size_t> own{};  ///< a forward of this very session that holds the same port
  bool silent = false;               ///< nobody spoke within the knock's time
  /// The silence after which the relay's script ends the holder's session, if that is known.
  std::optional<Duration> guard{};
  std::string not_evicted{};  ///< what the lease said of a silent holder that it left alone: Evicted::why

  friend bool operator==(const Explanation&, const Explanation&) = default;
};

struct ForwardProgress {
  ForwardState state = ForwardState::pending;
  std::uint16_t bound_port = 0;            ///< valid while held
  std::optional<Explanation> explanation;  ///< of the last refusal, until it is held

  friend bool operator==(const ForwardProgress&, const ForwardProgress&) = default;
};

/// Runs parallel to TunnelSpec::remote_forward.
using ForwardTable = std::vector<ForwardProgress>;

// ---- what the relay said ------------------------------------------------------------------------------------------

struct ForwardAnswered {
  std::size_t forward = 0;
  std::optional<std::uint16_t> bound_port;  ///< absent: refused
};

/// What came of a direct-tcpip channel to the relay's own listener.
enum class KnockAnswer {
  opened,          ///< the relay connected; whether somebody speaks is still to be seen
  answered,        ///< a byte, or an end: somebody alive handles connections there
  nobody_listens,  ///< SSH_OPEN_CONNECT_FAILED, and it says that the connection was refused
  not_connected,   ///< SSH_OPEN_CONNECT_FAILED, and it says anything else
  not_permitted,   ///< SSH_OPEN_ADMINISTRATIVELY_PROHIBITED, or no answer
};
struct Knocked {
  std::size_t forward = 0;
  KnockAnswer answer{};
  std::string words{};  ///< the relay's, of not_connected
};

enum class EvictOutcome {
  freed,
  other_device,  ///< `holder` has a live lease on it
  twin,          ///< the same, and `holder` is this device's own name
  not_ours,      ///< there is no lease, or what it names is no longer that process
  failed,
};
struct Evicted {  ///< of Evict and of Identify, which frees nothing
  std::size_t forward = 0;
  EvictOutcome outcome{};
  std::string holder;
  std::optional<Duration> guard{};  ///< of the holder's session, as Explanation has it
  std::string why{};                ///< of `not_ours` and `failed`, where the lease says: "it has no record of it"
};

// ---- what to do about it ------------------------------------------------------------------------------------------

struct RequestForward {  ///< answers ForwardAnswered
  std::size_t forward = 0;

  friend bool operator==(const RequestForward&, const RequestForward&) = default;
};
struct Knock {  ///< answers Knocked, with `opened` before `answered`
  std::size_t forward = 0;
  std::string host;  ///< what the relay is asked to connect to

  friend bool operator==(const Knock&, const Knock&) = default;
};
struct EndKnock {  ///< nobody spoke; answers nothing
  friend bool operator==(const EndKnock&, const EndKnock&) = default;
};
struct Identify {  ///< answers Evicted
  std::size_t forward = 0;

  friend bool operator==(const Identify&, const Identify&) = default;
};
struct Evict {  ///< answers Evicted
  std::size_t forward = 0;

  friend bool operator==(const Evict&, const Evict&) = default;
};
using ListenerAction = std::variant<RequestForward, Knock, EndKnock, Identify, Evict>;

/// One operation is under way at a time, or a wait for the next round of asking.
class Listeners {
 public:
  /// `answer_timeout`: of a tcpip-forward. `last_eviction`: on this relay, over all sessions.
  Listeners(std::size_t count, Duration answer_timeout, std::optional<TimePoint> last_eviction = {})
      : table_(count), answer_timeout_(answer_timeout), last_eviction_(last_eviction) {}

  std::vector<ListenerAction> start(const Turn& turn);
  std::vector<ListenerAction> answered(const ForwardAnswered& answer, const Turn& turn);
  std::vector<ListenerAction> knocked(const Knocked& knock, const Turn& turn);
  std::vector<ListenerAction> evicted(const Evicted& eviction, const Turn& turn);
  /// The lease came up: a stale listener that waited for it is evicted now, and the holder of a live one asked for.
  std::vector<ListenerAction> lease_came_up(const Turn& turn);
  /// It went: what it was asked stays open, and nothing more is asked of it.
  std::vector<ListenerAction> lease_went(const Turn& turn);
  /// How long the relay may be silent is for somebody else to say from now on: a tcpip-forward may take any time.
  void await_answers() { answer_timeout_.reset(); }
  /// Call at due() or later. Not to be called when answer_overdue().
  std::vector<ListenerAction> expired(const Turn& turn);

  /// A tcpip-forward was not answered in time: the session is worth nothing.
  bool answer_overdue(TimePoint now) const;
  /// The next deadline; none once all are held, and none for an answer without a timeout.
  std::optional<TimePoint> due() const { return due_; }
  /// No operation is under way: all are held, or refused and waiting for the next round.
  bool settled() const;
  bool all_held() const;
  /// Since when at least one is refused, without a pause.
  std::optional<TimePoint> refused_since() const { return refused_since_; }
  const std::optional<TimePoint>& last_eviction() const { return last_eviction_; }
  const ForwardTable& table() const { return table_; }

  friend bool operator==(const Listeners&, const Listeners&) = default;

 private:
  std::vector<ListenerAction> next(const Turn& turn);
  std::vector<ListenerAction> request(std::size_t forward, const Turn& turn);
  std::vector<ListenerAction> knock(std::size_t forward, const Turn& turn);
  std::vector<ListenerAction> knock_at_host(std::size_t forward, const Turn& turn);
  std::vector<ListenerAction> not_opened(const Knocked& knock, KnockFailure why, const Turn& turn);
  std::vector<ListenerAction> identify_or_next(std::size_t forward, const Turn& turn);
  std::vector<ListenerAction> evict_or_next(std::size_t forward, const Turn& turn);
  std::vector<ListenerAction> give_up(std::size_t forward, const Turn& turn);
  std::vector<ListenerAction> stop_asking(const Turn& turn);
  bool knock_due(const Explanation& explanation, TimePoint now) const;
  std::optional<std::size_t> in_state(ForwardState state) const;
  std::optional<std::size_t> holding(std::uint16_t port) const;
  ForwardProgress* expecting(std::size_t forward, ForwardState state);

  ForwardTable table_;
  std::optional<Duration> answer_timeout_;
  std::optional<TimePoint> last_eviction_;
  bool may_ask_lease_ = false;       ///< evictions, and whose a listener is
  std::optional<KnockHosts> hosts_;  ///< of the knock
  std::optional<TimePoint> due_;
  std::optional<TimePoint> refused_since_;
};

}  // namespace holdfast
