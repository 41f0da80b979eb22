#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "holdfast/failover.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/happening.hpp"
#include "holdfast/time.hpp"
#include "holdfast/turn.hpp"
#include "holdfast/verdict.hpp"

/// While a session stands on another relay than the preferred one: is a better one back?
///
///     look due ──▶ looking ──its banner──▶ awaiting idle ──no connection is open──▶ go back
///        ▲            │ none               │
///        └────────────┘   ▲────────────────┘ the banner is too old by then
///
/// Which one is looked at, and when, Failover says; the session here stands until the tunnel goes.
namespace holdfast {

// ---- what came of it ----------------------------------------------------------------------------------------------

struct RelayLookedAt {  ///< a better relay's banner, or why there was none
  std::optional<Failure> failure;
  std::string address{};  ///< where it came from
};
struct ConnectionsIdle {};

// ---- what to do about it ------------------------------------------------------------------------------------------

struct LookAtRelay {  ///< connect there and read the banner; answers RelayLookedAt
  std::size_t relay = 0;

  friend bool operator==(const LookAtRelay&, const LookAtRelay&) = default;
};
struct EndLook {  ///< answers nothing
  friend bool operator==(const EndLook&, const EndLook&) = default;
};
struct AwaitIdle {  ///< answers ConnectionsIdle at a moment at which no connection is open
  friend bool operator==(const AwaitIdle&, const AwaitIdle&) = default;
};
using FailBackAction = std::variant<LookAtRelay, EndLook, AwaitIdle, Happened>;

class FailBack {
 public:
  /// A session has come to stand on the current relay. None on the preferred one, or with fail_back_after 0.
  static std::optional<FailBack> plan(const Turn& turn, Failover& failover);

  /// Call at due() or later; does nothing before.
  std::vector<FailBackAction> expired(const Turn& turn, Failover& failover);
  std::vector<FailBackAction> looked_at(const RelayLookedAt& look, const Turn& turn, Failover& failover);
  /// Drains, to go back there, unless the answer is too old by now.
  Conclusion<FailBackAction> idle(const Turn& turn);

  /// None while it waits for the connections to end.
  std::optional<TimePoint> due() const;

  friend bool operator==(const FailBack&, const FailBack&) = default;

 private:
  struct LookDue {
    TimePoint at;

    friend bool operator==(const LookDue&, const LookDue&) = default;
  };
  struct Looking {
    std::size_t relay = 0;
    TimePoint deadline;

    friend bool operator==(const Looking&, const Looking&) = default;
  };
  /// It answered; whoever is connected through the session here shall not be cut off.
  struct AwaitingIdle {
    std::size_t relay = 0;
    TimePoint answered;

    friend bool operator==(const AwaitingIdle&, const AwaitingIdle&) = default;
  };
  using State = std::variant<LookDue, Looking, AwaitingIdle>;

  explicit FailBack(LookDue first) : state_(first) {}

  LookAtRelay look_at(std::size_t relay, const Turn& turn);
  Happened not_back(std::size_t relay, const std::string& reason, const Turn& turn, Failover& failover);

  State state_;
};

}  // namespace holdfast
