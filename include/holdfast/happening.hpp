#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "holdfast/failure.hpp"
#include "holdfast/listeners.hpp"
#include "holdfast/proof.hpp"
#include "holdfast/time.hpp"
#include "holdfast/wall_time.hpp"

/// What happens to a tunnel: facts, and no prose. The log words it (tunnel_log.hpp), the status keeps what went wrong
/// (history.hpp). Relays and forwards are numbered as in TunnelSpec.
namespace holdfast {

struct StandsBy {  ///< logged in, while another session of the tunnel has the listeners
  friend bool operator==(const StandsBy&, const StandsBy&) = default;
};
struct SessionStands {
  std::size_t relay = 0;
  ForwardTable forwards;  ///< as they are held by then

  friend bool operator==(const SessionStands&, const SessionStands&) = default;
};
struct SessionEnded {          ///< of one that stood
  std::optional<Failure> why;  ///< none: on request, or for a better relay
  Duration held{};

  friend bool operator==(const SessionEnded&, const SessionEnded&) = default;
};
struct AttemptFailed {  ///< or a session, whose end was told before
  Failure failure;
  Duration wait{};                         ///< until the next one
  std::optional<std::size_t> elsewhere{};  ///< that one is made at this relay, another one than this was

  friend bool operator==(const AttemptFailed&, const AttemptFailed&) = default;
};
struct ListenerHeld {
  std::size_t forward = 0;
  std::uint16_t bound_port = 0;

  friend bool operator==(const ListenerHeld&, const ListenerHeld&) = default;
};
struct ListenerRefused {  ///< for another reason than before
  std::size_t forward = 0;
  Failure failure;

  friend bool operator==(const ListenerRefused&, const ListenerRefused&) = default;
};
struct ListenerFreed {  ///< a dead session of this device was ended
  std::size_t forward = 0;

  friend bool operator==(const ListenerFreed&, const ListenerFreed&) = default;
};
struct ProofChanged {  ///< another result than before
  std::size_t forward = 0;
  std::uint16_t bound_port = 0;
  Proof proof;
  bool was_bad = false;

  friend bool operator==(const ProofChanged&, const ProofChanged&) = default;
};
struct LeaseUnavailable {
  std::string why;
  std::optional<Duration> again_in{};  ///< it had worked

  friend bool operator==(const LeaseUnavailable&, const LeaseUnavailable&) = default;
};
struct BetterRelayAnswers {
  std::size_t relay = 0;

  friend bool operator==(const BetterRelayAnswers&, const BetterRelayAnswers&) = default;
};
struct BetterRelayNotBack {
  std::size_t relay = 0;
  std::string why;
  Duration again_in{};

  friend bool operator==(const BetterRelayNotBack&, const BetterRelayNotBack&) = default;
};
struct GoingBack {
  std::size_t relay = 0;

  friend bool operator==(const GoingBack&, const GoingBack&) = default;
};
struct DrainBegan {  ///< the listeners are given up, connections may finish
  friend bool operator==(const DrainBegan&, const DrainBegan&) = default;
};
struct TunnelStopped {
  friend bool operator==(const TunnelStopped&, const TunnelStopped&) = default;
};

using Happening = std::variant<StandsBy, SessionStands, SessionEnded, AttemptFailed, ListenerHeld, ListenerRefused,
                               ListenerFreed, ProofChanged, LeaseUnavailable, BetterRelayAnswers, BetterRelayNotBack,
                               GoingBack, DrainBegan, TunnelStopped>;

/// A happening as it is told at the daemon's edge (src/supervisor/teller.hpp), for whoever tells it on.
struct Told {
  std::uint64_t number = 0;  ///< in this process, whatever the tunnel, from 1 on
  TimePoint at;
  WallTime wall;
  Happening what;
};

/// The action that tells one.
struct Happened {
  Happening what;

  friend bool operator==(const Happened&, const Happened&) = default;
};

}  // namespace holdfast
