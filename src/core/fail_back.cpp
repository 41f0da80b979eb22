#include "holdfast/fail_back.hpp"

#include "holdfast/overloaded.hpp"

namespace holdfast {
namespace {

constexpr Duration look_timeout = std::chrono::seconds{10};  ///< for a better relay's banner
/// A banner that is older says nothing about now: whoever was connected stayed for long.
constexpr Duration look_holds = std::chrono::minutes{1};

}  // namespace

std::optional<FailBack> FailBack::plan(const Turn& turn, Failover& failover) {
  failover.plan_returns(turn);
  const auto first = failover.next_look();
  if (!first) return std::nullopt;
  return FailBack{LookDue{*first}};
}

std::vector<FailBackAction> FailBack::expired(const Turn& turn, Failover& failover) {
  using Actions = std::vector<FailBackAction>;
  if (!due() || turn.now < *due()) return {};
  if (const auto* looking = std::get_if<Looking>(&state_)) {
    return {EndLook{}, not_back(looking->relay, "no answer within " + to_text(look_timeout), turn, failover)};
  }
  const auto relay = failover.to_look_at(turn.now);
  return relay ? Actions{look_at(*relay, turn)} : Actions{};
}

std::vector<FailBackAction> FailBack::looked_at(const RelayLookedAt& look, const Turn& turn, Failover& failover) {
  const auto* looking = std::get_if<Looking>(&state_);
  if (looking == nullptr) return {};
  const std::size_t relay = looking->relay;
  if (look.failure) return {not_back(relay, describe(*look.failure), turn, failover)};
  failover.answered(relay, look.address);
  state_ = AwaitingIdle{relay, turn.now};
  return {Happened{BetterRelayAnswers{relay}}, AwaitIdle{}};
}

Conclusion<FailBackAction> FailBack::idle(const Turn& turn) {
  const auto* waiting = std::get_if<AwaitingIdle>(&state_);
  if (waiting == nullptr) return {};
  const std::size_t relay = waiting->relay;
  if (turn.now - waiting->answered > look_holds) return {{look_at(relay, turn)}};
  return {{Happened{GoingBack{relay}}}, Drain{ThenFailBack{relay}}};
}

std::optional<TimePoint> FailBack::due() const {
  using Due = std::optional<TimePoint>;
  return std::visit(overloaded{[](const LookDue& look) -> Due { return look.at; },
                               [](const Looking& looking) -> Due { return looking.deadline; },
                               [](const AwaitingIdle&) -> Due { return std::nullopt; }},
                    state_);
}

LookAtRelay FailBack::look_at(std::size_t relay, const Turn& turn) {
  state_ = Looking{relay, turn.now + look_timeout};
  return {relay};
}

/// Looked at again later: by this relay's own wait, or that of another better one, which may end sooner.
Happened FailBack::not_back(std::size_t relay, const std::string& reason, const Turn& turn, Failover& failover) {
  const Duration wait = failover.not_back(relay, turn);
  state_ = LookDue{failover.next_look().value()};
  return {BetterRelayNotBack{relay, reason, wait}};
}

}  // namespace holdfast
