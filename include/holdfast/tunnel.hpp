#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "holdfast/addresses.hpp"
#include "holdfast/backoff.hpp"
#include "holdfast/config.hpp"
#include "holdfast/fail_back.hpp"
#include "holdfast/failover.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/happening.hpp"
#include "holdfast/lease.hpp"
#include "holdfast/listeners.hpp"
#include "holdfast/liveness.hpp"
#include "holdfast/losses.hpp"
#include "holdfast/noticed.hpp"
#include "holdfast/proof.hpp"
#include "holdfast/time.hpp"
#include "holdfast/transport.hpp"
#include "holdfast/verdict.hpp"

/// The tunnel as a sans-I/O machine. `step()` decides, the runner (src/supervisor/) does:
///
///     Idle ──start──▶ Opening ──────▶ RequestingForwards ──▶ Established
///                     │ resolve       │                      │       │
///        ┌────────────┤ connect       │ refused, silent,     │ lost, │ stop
///        ▼            │ banner        │ deadline             │ silent▼
///     BackingOff ◀────┤ key_exchange  ▼                      │      Draining
///        │  ▲         │ authenticate  Closing ◀──────────────┘       │
///        └──│── due ──┘               │    ▲─────────────────────────┘
///           └───── try again ─────────┴──── stop ───▶ Stopped
///
/// A tunnel that stands by goes from Opening to StandingBy, logged in and asking for nothing. It goes on to
/// RequestingForwards once it may proceed: the session that it is to replace serves until then.
///
/// Each attempt goes to one relay; which one is for Failover (failover.hpp) to say. While a session stands on another
/// than the preferred one, Established also looks whether that one is back, and then goes Draining, Closing, Opening
/// there.
///
/// Every state has a deadline or waits for nothing (src/core/timers.hpp), every state x event pair a defined result,
/// and the clock and the dice are arguments. A tunnel never gives up: Stopped is reached only because someone asked for
/// it.
namespace holdfast {

/// Numbers the sessions of one tunnel from 1. An event of an earlier session is ignored.
using Attempt = std::uint64_t;

/// The phases of opening a session, in order. Each may take TunnelSpec::connect_timeout; `connect` less while the
/// outage is young, since TCP itself repeats a lost SYN ever more rarely.
enum class OpeningPhase { resolve, connect, banner, key_exchange, authenticate };
std::string_view to_string(OpeningPhase phase);

struct Idle {
  friend bool operator==(const Idle&, const Idle&) = default;
};

struct Opening {
  OpeningPhase phase{};
  TimePoint since;
  TimePoint deadline;

  friend bool operator==(const Opening&, const Opening&) = default;
};

/// An authenticated session: what it holds, and what is due on it.
struct LiveSession {
  Liveness liveness;
  Listeners listeners;
  Proofs proofs;
  LeaseChannel lease;
  Noticed noticed;
  std::optional<TimePoint> sign_due;      ///< the network changed: by when a packet has to come
  std::optional<TimePoint> judged_after;  ///< TCP did not move: until then no answer is late

  friend bool operator==(const LiveSession&, const LiveSession&) = default;
};

/// Logged in, while another session of the tunnel still has the listeners; kept alive, and nothing else.
struct StandingBy {
  LiveSession session;

  friend bool operator==(const StandingBy&, const StandingBy&) = default;
};

/// With exit_on_forward_failure, until all forwards are held; else until each was asked for once.
struct RequestingForwards {
  LiveSession session;

  friend bool operator==(const RequestingForwards&, const RequestingForwards&) = default;
};

/// Holds all of its forwards, or with exit_on_forward_failure off at least what it could get.
struct Established {
  TimePoint since;
  LiveSession session;
  std::optional<FailBack> fail_back{};  ///< none on the preferred relay

  friend bool operator==(const Established&, const Established&) = default;
};

/// No new connections; listeners are being cancelled on the relay, open connections may finish.
struct Draining {
  TimePoint deadline;
  ForwardTable forwards;  ///< `held` until the relay has confirmed the cancellation
  bool connections_open = true;
  LeaseChannel lease;  ///< its guard wants heartbeats until the end
  AfterClosing after;

  friend bool operator==(const Draining&, const Draining&) = default;
};

/// Channels closed, SSH_MSG_DISCONNECT and FIN on their way.
struct Closing {
  TimePoint deadline;
  AfterClosing after;
  bool gave_back = false;  ///< the relay has confirmed before that it has no listener of this session any more

  friend bool operator==(const Closing&, const Closing&) = default;
};

struct BackingOff {
  TimePoint until;
  std::size_t relay = 0;  ///< to be tried then
  Failure failure;

  friend bool operator==(const BackingOff&, const BackingOff&) = default;
};

struct Stopped {
  friend bool operator==(const Stopped&, const Stopped&) = default;
};

using Phase =
    std::variant<Idle, Opening, StandingBy, RequestingForwards, Established, Draining, Closing, BackingOff, Stopped>;

enum class PhaseKind {
  idle,
  opening,
  standing_by,
  requesting_forwards,
  established,
  draining,
  closing,
  backing_off,
  stopped,
  unknown  ///< of a status only: new since this version
};
PhaseKind kind_of(const Phase& phase);
std::string_view to_string(PhaseKind kind);
/// That of its kind: "idle", "standing_by".
std::string_view phase_name(const Phase& phase);
/// What a failure in it calls what was done: "connect to", "exchange keys with".
std::string_view operation_of(OpeningPhase phase);

/// The forwards of a session that has got that far, else null.
const ForwardTable* forwards_of(const Phase& phase);

struct TunnelState {
  Phase phase;
  Attempt attempt = 0;
  bool stands_by = false;  ///< asks for no listener until it may proceed
  Failover failover;
  /// The start, or the end of the last session that held for reset_after; on whatever relay.
  std::optional<TimePoint> outage_since;
  /// How long the last session was established, known from its way down until the next attempt. None: it never was.
  std::optional<Duration> held_for;
  ProofHistory proof_history;
  Losses losses;

  friend bool operator==(const TunnelState&, const TunnelState&) = default;
};

// ---- events: what happened -------------------------------------------------------------------------------------

struct Start {
  bool stand_by = false;  ///< another session of the tunnel has the listeners: until Proceed, log in and wait
};
struct Proceed {};             ///< the listeners are free
struct StopRequested {};       ///< finish politely, then Stopped
struct StopNow {};             ///< skip the drain
struct ReconnectRequested {};  ///< by the operator
struct TimerExpired {
  std::optional<TimePoint> acknowledged{};     ///< with economy, on a session: when TCP last heard from the relay
  std::optional<TransportReport> transport{};  ///< of the session, if there is one
};
/// A link came up, an address or the default route changed, or the device woke up.
struct NetworkChanged {
  bool moved = false;     ///< the device would now reach the relay from another address than this or the last session's
  Duration repetition{};  ///< how long TCP may wait before it repeats what is under way on this session
};

/// Events of one session; they carry its attempt so that a late one can't touch its successor.
struct PhaseCompleted {
  OpeningPhase phase{};
  std::string server{};    ///< of the banner: what the relay says it is
  FoundAddresses found{};  ///< of resolve
  std::string address{};   ///< of connect: which one of those
};
struct ListenerCancelled {
  std::size_t forward = 0;
};
struct Received {
  bool whole_packet = false;
};
/// What was sent was not acknowledged for seconds, or something that the relay sent is missing.
struct TransportStalled {
  TransportReport transport;
};
struct ConnectionsDrained {};
struct SessionFailed {
  Failure failure;
};
struct SessionClosed {};

using SessionEvent = std::variant<PhaseCompleted, ForwardAnswered, Knocked, Evicted, ProofAdvanced, ListenerCancelled,
                                  Received, TransportStalled, ConnectionsDrained, RelayLookedAt, ConnectionsIdle,
                                  LeaseOpened, LeaseLost, SessionFailed, SessionClosed>;

struct OfSession {
  Attempt attempt = 0;
  SessionEvent event;
};

using TunnelEvent =
    std::variant<Start, Proceed, StopRequested, StopNow, ReconnectRequested, TimerExpired, NetworkChanged, OfSession>;

// ---- actions: what to do, in order ----------------------------------------------------------------------------

struct Dial {  ///< resolve the current relay; answers PhaseCompleted{resolve} or SessionFailed
  friend bool operator==(const Dial&, const Dial&) = default;
};
struct Connect {  ///< to one of these; answers {connect} or SessionFailed
  AddressOrder order;

  friend bool operator==(const Connect&, const Connect&) = default;
};
struct OpenSession {  ///< on the connected socket; answers {banner}, {key_exchange}, or SessionFailed
  friend bool operator==(const OpenSession&, const OpenSession&) = default;
};
struct Authenticate {        ///< answers {authenticate} or SessionFailed
  bool listen_ahead = true;  ///< the first forward may be asked for in the same flight

  friend bool operator==(const Authenticate&, const Authenticate&) = default;
};
struct CancelForward {  ///< answers ListenerCancelled
  std::size_t forward = 0;

  friend bool operator==(const CancelForward&, const CancelForward&) = default;
};
struct SendKeepalive {
  friend bool operator==(const SendKeepalive&, const SendKeepalive&) = default;
};
struct DrainConnections {  ///< accept no more; answers ConnectionsDrained once none is open
  friend bool operator==(const DrainConnections&, const DrainConnections&) = default;
};
struct CloseSession {  ///< politely; answers SessionClosed
  friend bool operator==(const CloseSession&, const CloseSession&) = default;
};
struct ParkSession {  ///< like DropSession, but the dead socket is kept, so that it can be reset once there is a path
                      ///< again
  friend bool operator==(const ParkSession&, const ParkSession&) = default;
};
struct ResetParked {  ///< RST to the relay: its side of the dead session ends, and with it the stale listener
  friend bool operator==(const ResetParked&, const ResetParked&) = default;
};
struct DropSession {  ///< at once, whatever stands of it (dial, session, connections); answers nothing
  friend bool operator==(const DropSession&, const DropSession&) = default;
};

using TunnelAction =
    std::variant<Dial, Connect, OpenSession, Authenticate, RequestForward, Knock, EndKnock, Identify, Evict, Prove,
                 EndProof, CancelForward, OpenLease, EndLease, RecordLease, SendHeartbeat, SendKeepalive, LookAtRelay,
                 EndLook, AwaitIdle, DrainConnections, CloseSession, ParkSession, ResetParked, DropSession, Happened>;

struct Step {
  TunnelState next;
  std::vector<TunnelAction> actions;
};

/// Total: any event is allowed in any state. `jitter` is drawn from only when a wait is chosen.
Step step(const TunnelSpec& spec, TunnelState state, const TunnelEvent& event, TimePoint now, const UnitRandom& jitter);

/// When TimerExpired is due; none in a state that waits for nothing.
std::optional<TimePoint> next_deadline(const TunnelState& state);

/// The session of a phase that has one, else null.
const LiveSession* session_of(const Phase& phase);

/// No relay has a listener of this tunnel, as far as it has told: another session may ask for them.
bool has_no_listener(const Phase& phase);

/// Established and holding every forward that was asked for.
bool is_up(const TunnelState& state);

/// The last proof of a forward on the session that stands; null before there is one.
const Proof* proof_of(const Phase& phase, std::size_t forward);

/// is_up(), and every forward proven not longer than two verify_intervals ago.
bool is_proven(const TunnelState& state, const TunnelSpec& spec, TimePoint now);

/// A session stands, but a path that was good in this process's life has been broken for two hours. The new sessions
/// that were made for it did not mend it. Only a new process is left to try on this device. That one has no good path
/// to compare with, so that it is not ended for the same reason.
bool is_wedged(const TunnelState& state, TimePoint now);

}  // namespace holdfast
