#include "holdfast/fail_back.hpp"

#include "holdfast/overloaded.hpp"
#include "holdfast/relays.hpp"

namespace holdfast {
namespace {

constexpr Duration look_timeout = std::chrono::seconds{10};  ///< for a better relay's banner
/// A banner that is older says nothing about now: whoever was connected stayed for long.
constexpr Duration look_holds = std::chrono::minutes{1};

std::string name_of(std::size_t relay, const FailBackContext& context) {
  return relay_name(relays_of(context.spec)[relay]);
}

Relays::Context relays_context(const FailBackContext& context) {
  return {context.spec, context.now, context.jitter};
}

}  // namespace

std::optional<FailBack> FailBack::plan(const FailBackContext& context) {
  context.relays.plan_returns(relays_context(context));
  const auto first = context.relays.next_look();
  if (!first) return std::nullopt;
  return FailBack{LookDue{*first}};
}

std::vector<FailBackAction> FailBack::expired(const FailBackContext& context) {
  using Actions = std::vector<FailBackAction>;
  if (!due() || context.now < *due()) return {};
  if (const auto* looking = std::get_if<Looking>(&state_)) {
    return {EndLook{}, not_back(looking->relay, "no answer within " + to_text(look_timeout), context)};
  }
  const auto relay = context.relays.to_look_at(context.now);
  return relay ? Actions{look_at(*relay, context)} : Actions{};
}

std::vector<FailBackAction> FailBack::looked_at(const RelayLookedAt& look, const FailBackContext& context) {
  const auto* looking = std::get_if<Looking>(&state_);
  if (looking == nullptr) return {};
  const std::size_t relay = looking->relay;
  if (look.failure) return {not_back(relay, describe(*look.failure), context)};
  context.relays.answered(relay, look.address);
  state_ = AwaitingIdle{relay, context.now};
  return {Announce{LogLevel::verbose, "the better relay " + name_of(relay, context) + " answers again"}, AwaitIdle{}};
}

std::vector<FailBackAction> FailBack::idle(const FailBackContext& context) {
  const auto* waiting = std::get_if<AwaitingIdle>(&state_);
  if (waiting == nullptr) return {};
  const std::size_t relay = waiting->relay;
  if (context.now - waiting->answered > look_holds) return {look_at(relay, context)};
  return {Announce{LogLevel::info, "going back to " + name_of(relay, context) + ", which answers again"},
          GoBack{relay}};
}

std::optional<TimePoint> FailBack::due() const {
  using Due = std::optional<TimePoint>;
  return std::visit(overloaded{[](const LookDue& look) -> Due { return look.at; },
                               [](const Looking& looking) -> Due { return looking.deadline; },
                               [](const AwaitingIdle&) -> Due { return std::nullopt; }},
                    state_);
}

LookAtRelay FailBack::look_at(std::size_t relay, const FailBackContext& context) {
  state_ = Looking{relay, context.now + look_timeout};
  return {relay};
}

/// Looked at again later: by this relay's own wait, or that of another better one, which may end sooner.
Announce FailBack::not_back(std::size_t relay, const std::string& reason, const FailBackContext& context) {
  const Duration wait = context.relays.not_back(relay, relays_context(context));
  state_ = LookDue{context.relays.next_look().value_or(context.now + wait)};
  return {LogLevel::verbose, "the better relay " + name_of(relay, context) + " is not back yet (" + reason +
                                 "); looked at again in " + to_text(wait)};
}

}  // namespace holdfast
