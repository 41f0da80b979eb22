#include "holdfast/listeners.hpp"

#include <algorithm>
#include <cstdlib>

namespace holdfast {
namespace {

using namespace std::chrono_literals;

/// How long a port that opened may stay silent before it counts as stale. Short, because it stands between a power cut
/// and the tunnel; a live session that is slower is still safe, since only our own lease is ever evicted.
constexpr Duration knock_silence = 400ms;
constexpr Duration knock_timeout = 5s;   ///< for the relay to open the channel, or not
constexpr Duration lease_timeout = 10s;  ///< for an answer of the relay's script
/// Two devices with one identity must not throw each other out in turns.
constexpr Duration evict_cooldown = 1min;
/// What is live may die: it is knocked on again, at least this much later.
constexpr Duration knock_again = 1min;

/// Asking costs some 300 bytes: every 1.5 s at first, then at a thirtieth of the time that it has lasted, at most once
/// a minute; spread by a quarter either way, so that a fleet does not ask in step.
Duration ask_again_wait(Duration lasted, const UnitRandom& jitter) {
  const Duration wait = std::clamp<Duration>(lasted / 30, 1500ms, 60s);
  return std::chrono::duration_cast<Duration>(wait * (0.75 + 0.5 * jitter()));
}

}  // namespace

std::string_view to_string(ForwardState state) {
  switch (state) {
    case ForwardState::pending:
      return "pending";
    case ForwardState::requested:
      return "requested";
    case ForwardState::knocking:
      return "knocking";
    case ForwardState::identifying:
      return "identifying";
    case ForwardState::evicting:
      return "evicting";
    case ForwardState::held:
      return "held";
    case ForwardState::refused:
      return "refused";
  }
  std::abort();
}

std::string_view to_string(Refusal refusal) {
  switch (refusal) {
    case Refusal::unexplained:
      return "unexplained";
    case Refusal::policy:
      return "policy";
    case Refusal::held_live:
      return "held_live";
    case Refusal::held_stale:
      return "held_stale";
    case Refusal::held_by_other_device:
      return "held_by_other_device";
    case Refusal::held_by_twin:
      return "held_by_twin";
  }
  std::abort();
}

std::vector<ListenerAction> Listeners::start(const ListenerContext& context) {
  return next(context);
}

std::vector<ListenerAction> Listeners::answered(const ForwardAnswered& answer, const ListenerContext& context) {
  ForwardProgress* forward = expecting(answer.forward, ForwardState::requested);
  if (forward == nullptr) return {};
  if (answer.bound_port) {
    *forward = {ForwardState::held, *answer.bound_port, std::nullopt};
    return next(context);
  }
  if (!refused_since_) refused_since_ = context.now;
  if (context.spec.remote_forward[answer.forward].port == 0) {
    forward->explanation = Explanation{Refusal::policy, "", context.now, std::nullopt};
  }
  if (!forward->explanation) return knock(answer.forward, context);
  switch (forward->explanation->refusal) {
    case Refusal::held_stale:
    case Refusal::unexplained:
      return evict_or_next(answer.forward, context);
    case Refusal::held_live:
    case Refusal::held_by_other_device:
    case Refusal::held_by_twin:
      if (!knock_due(*forward->explanation, context.now)) return give_up(answer.forward, context);
      return knock(answer.forward, context);
    case Refusal::policy:
      return give_up(answer.forward, context);
  }
  std::abort();
}

std::vector<ListenerAction> Listeners::knocked(const Knocked& knock, const ListenerContext& context) {
  ForwardProgress* forward = expecting(knock.forward, ForwardState::knocking);
  if (forward == nullptr) return {};
  const auto explain = [&](Refusal refusal) { forward->explanation->refusal = refusal; };
  switch (knock.answer) {
    case KnockAnswer::opened:
      explain(Refusal::held_stale);  // unless somebody speaks in time
      due_ = context.now + knock_silence;
      return {};
    case KnockAnswer::answered:
      explain(Refusal::held_live);
      return identify_or_next(knock.forward, context);
    case KnockAnswer::nobody_listens:
      return not_opened(knock, KnockFailure::nobody_listens, context);
    case KnockAnswer::not_connected:
      return not_opened(knock, KnockFailure::not_connected, context);
    case KnockAnswer::not_permitted:
      return not_opened(knock, KnockFailure::not_permitted, context);
  }
  std::abort();
}

/// Where the relay could not look, nothing is known: the lease decides, as it does where we may not knock.
std::vector<ListenerAction> Listeners::not_opened(const Knocked& knock, KnockFailure why,
                                                  const ListenerContext& context) {
  const auto found = hosts_->failed(why, knock.words);
  if (!found) return knock_at_host(knock.forward, context);
  Explanation& explanation = *table_[knock.forward].explanation;
  if (*found != KnockFailure::nobody_listens) {
    explanation.no_knock = hosts_->in_words();
    return evict_or_next(knock.forward, context);
  }
  // It may have been given back just now: only a second refusal is a policy.
  explanation.refusal = Refusal::policy;
  return request(knock.forward, context);
}

std::vector<ListenerAction> Listeners::evicted(const Evicted& eviction, const ListenerContext& context) {
  const bool identified = expecting(eviction.forward, ForwardState::identifying) != nullptr;
  if (!identified && expecting(eviction.forward, ForwardState::evicting) == nullptr) return {};
  ForwardProgress* forward = &table_[eviction.forward];
  switch (eviction.outcome) {
    case EvictOutcome::freed:
      if (identified) return give_up(eviction.forward, context);
      context.last_eviction = context.now;
      return request(eviction.forward, context);
    case EvictOutcome::other_device:
    case EvictOutcome::twin: {
      const bool twin = eviction.outcome == EvictOutcome::twin;
      Explanation& explanation = *forward->explanation;
      explanation.silent = explanation.refusal == Refusal::held_stale;
      explanation.refusal = twin ? Refusal::held_by_twin : Refusal::held_by_other_device;
      explanation.holder = eviction.holder;
      explanation.guard = eviction.guard;
      return give_up(eviction.forward, context);
    }
    case EvictOutcome::not_ours:
    case EvictOutcome::failed:
      return give_up(eviction.forward, context);
  }
  std::abort();
}

std::vector<ListenerAction> Listeners::lease_came_up(const ListenerContext& context) {
  if (!settled()) return {};
  for (std::size_t index = 0; index < table_.size(); ++index) {
    const auto& explanation = table_[index].explanation;
    if (table_[index].state != ForwardState::refused || !explanation) continue;
    if (explanation->refusal == Refusal::held_stale || explanation->refusal == Refusal::unexplained) {
      return evict_or_next(index, context);
    }
    if (explanation->refusal == Refusal::held_live) return identify_or_next(index, context);
  }
  return {};
}

std::vector<ListenerAction> Listeners::lease_went(const ListenerContext& context) {
  for (const ForwardState asked : {ForwardState::identifying, ForwardState::evicting}) {
    if (const auto waiting = in_state(asked)) return give_up(*waiting, context);
  }
  return {};
}

std::vector<ListenerAction> Listeners::expired(const ListenerContext& context) {
  if (const auto silent = in_state(ForwardState::knocking)) {
    std::vector<ListenerAction> actions{EndKnock{}};
    for (const ListenerAction& action : evict_or_next(*silent, context)) actions.push_back(action);
    return actions;
  }
  if (in_state(ForwardState::identifying) || in_state(ForwardState::evicting)) return lease_went(context);
  for (ForwardProgress& forward : table_) {
    if (forward.state == ForwardState::refused) forward.state = ForwardState::pending;
  }
  return next(context);
}

bool Listeners::answer_overdue(TimePoint now) const {
  return due_ && now >= *due_ && in_state(ForwardState::requested).has_value();
}

bool Listeners::settled() const {
  return std::all_of(table_.begin(), table_.end(), [](const ForwardProgress& forward) {
    return forward.state == ForwardState::held || forward.state == ForwardState::refused;
  });
}

bool Listeners::all_held() const {
  return std::all_of(table_.begin(), table_.end(),
                     [](const ForwardProgress& forward) { return forward.state == ForwardState::held; });
}

/// Asks for the next pending forward, those whose port the relay chooses first: libssh reads the port of such an answer
/// from the last packet, and before the first listener stands no other packet can come between.
std::vector<ListenerAction> Listeners::next(const ListenerContext& context) {
  std::optional<std::size_t> chosen;
  for (std::size_t index = 0; index < table_.size(); ++index) {
    if (table_[index].state != ForwardState::pending) continue;
    const auto& forwards = context.spec.remote_forward;
    if (!chosen || (forwards[index].port == 0 && forwards[*chosen].port != 0)) chosen = index;
  }
  if (chosen) return request(*chosen, context);
  if (in_state(ForwardState::refused)) {
    due_ = context.now + ask_again_wait(context.now - *refused_since_, context.jitter);
  } else {
    due_.reset();
    refused_since_.reset();
  }
  return {};
}

std::vector<ListenerAction> Listeners::request(std::size_t forward, const ListenerContext& context) {
  table_[forward].state = ForwardState::requested;
  due_.reset();
  if (context.answer_timeout) due_ = context.now + *context.answer_timeout;
  return {RequestForward{forward}};
}

std::vector<ListenerAction> Listeners::knock(std::size_t forward, const ListenerContext& context) {
  table_[forward].state = ForwardState::knocking;
  table_[forward].explanation = Explanation{Refusal::unexplained, "", context.now, std::nullopt};
  table_[forward].explanation->own = holding(context.spec.remote_forward[forward].port);
  hosts_.emplace(context.spec.remote_forward[forward]);
  return knock_at_host(forward, context);
}

std::vector<ListenerAction> Listeners::knock_at_host(std::size_t forward, const ListenerContext& context) {
  due_ = context.now + knock_timeout;
  return {Knock{forward, hosts_->current()}};
}

std::vector<ListenerAction> Listeners::identify_or_next(std::size_t forward, const ListenerContext& context) {
  if (!context.lease_ready || table_[forward].explanation->own) return give_up(forward, context);
  table_[forward].state = ForwardState::identifying;
  due_ = context.now + lease_timeout;
  return {Identify{forward}};
}

std::vector<ListenerAction> Listeners::evict_or_next(std::size_t forward, const ListenerContext& context) {
  const auto cooling = [&](const std::optional<TimePoint>& last) {
    return last && context.now - *last < evict_cooldown;
  };
  Explanation& explanation = *table_[forward].explanation;
  if (explanation.own || !context.lease_ready || cooling(explanation.evict_tried) || cooling(context.last_eviction)) {
    return give_up(forward, context);
  }
  explanation.evict_tried = context.now;
  table_[forward].state = ForwardState::evicting;
  due_ = context.now + lease_timeout;
  return {Evict{forward}};
}

std::vector<ListenerAction> Listeners::give_up(std::size_t forward, const ListenerContext& context) {
  table_[forward].state = ForwardState::refused;
  return next(context);
}

/// After one minute, then after twice as long each time.
bool Listeners::knock_due(const Explanation& explanation, TimePoint now) const {
  return now - explanation.knocked >= std::max<Duration>(knock_again, explanation.knocked - *refused_since_);
}

std::optional<std::size_t> Listeners::in_state(ForwardState state) const {
  const auto found = std::find_if(table_.begin(), table_.end(),
                                  [&](const ForwardProgress& forward) { return forward.state == state; });
  if (found == table_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - table_.begin());
}

std::optional<std::size_t> Listeners::holding(std::uint16_t port) const {
  const auto found = std::find_if(table_.begin(), table_.end(), [&](const ForwardProgress& forward) {
    return forward.state == ForwardState::held && forward.bound_port == port;
  });
  if (found == table_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - table_.begin());
}

/// Null for an answer to a question that is not open.
ForwardProgress* Listeners::expecting(std::size_t forward, ForwardState state) {
  return forward < table_.size() && table_[forward].state == state ? &table_[forward] : nullptr;
}

}  // namespace holdfast
