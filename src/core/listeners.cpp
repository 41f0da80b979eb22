#include "holdfast/listeners.hpp"

#include <algorithm>
#include <cstdlib>

#include "holdfast/enumerators.hpp"

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

/// Asking costs some 300 bytes. The wait is a thirtieth of the time that it has lasted, but from 1.5 s to a minute. It
/// is spread by a quarter either way, so that a fleet does not ask in step.
Duration ask_again_wait(Duration lasted, const UnitRandom& jitter) {
  const Duration wait = std::clamp<Duration>(lasted / 30, 1500ms, 60s);
  return std::chrono::duration_cast<Duration>(wait * (0.75 + 0.5 * jitter()));
}

}  // namespace

std::string_view to_string(ForwardState state) {
  return spelling(state).name;
}

std::string_view to_string(Refusal refusal) {
  return spelling(refusal).name;
}

Cause cause_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::unexplained:
    case Refusal::policy:
      return Cause::forward_refused;
    case Refusal::held_live:
      return Cause::listener_held_live;
    case Refusal::held_stale:
      return Cause::listener_held_stale;
    case Refusal::held_by_other_device:
      return Cause::listener_held_by_other_device;
    case Refusal::held_by_twin:
      return Cause::listener_held_by_twin;
  }
  std::abort();
}

std::vector<ListenerAction> Listeners::start(const Turn& turn) {
  return next(turn);
}

std::vector<ListenerAction> Listeners::answered(const ForwardAnswered& answer, const Turn& turn) {
  ForwardProgress* forward = expecting(answer.forward, ForwardState::requested);
  if (forward == nullptr) return {};
  if (answer.bound_port) {
    *forward = {ForwardState::held, *answer.bound_port, std::nullopt};
    return next(turn);
  }
  if (!refused_since_) refused_since_ = turn.now;
  if (turn.spec.remote_forward[answer.forward].port == 0) {
    forward->explanation = Explanation{Refusal::policy, "", turn.now, std::nullopt};
  }
  if (!forward->explanation) return knock(answer.forward, turn);
  switch (forward->explanation->refusal) {
    case Refusal::held_stale:
    case Refusal::unexplained:
      return evict_or_next(answer.forward, turn);
    case Refusal::held_live:
    case Refusal::held_by_other_device:
    case Refusal::held_by_twin:
      if (!knock_due(*forward->explanation, turn.now)) return give_up(answer.forward, turn);
      return knock(answer.forward, turn);
    case Refusal::policy:
      return give_up(answer.forward, turn);
  }
  std::abort();
}

std::vector<ListenerAction> Listeners::knocked(const Knocked& knock, const Turn& turn) {
  ForwardProgress* forward = expecting(knock.forward, ForwardState::knocking);
  if (forward == nullptr) return {};
  const auto explain = [&](Refusal refusal) { forward->explanation.value().refusal = refusal; };
  switch (knock.answer) {
    case KnockAnswer::opened:
      explain(Refusal::held_stale);  // unless somebody speaks in time
      due_ = turn.now + knock_silence;
      return {};
    case KnockAnswer::answered:
      explain(Refusal::held_live);
      return identify_or_next(knock.forward, turn);
    case KnockAnswer::nobody_listens:
      return not_opened(knock, KnockFailure::nobody_listens, turn);
    case KnockAnswer::not_connected:
      return not_opened(knock, KnockFailure::not_connected, turn);
    case KnockAnswer::not_permitted:
      return not_opened(knock, KnockFailure::not_permitted, turn);
  }
  std::abort();
}

/// Where the relay could not look, nothing is known: the lease decides, as it does where we may not knock.
std::vector<ListenerAction> Listeners::not_opened(const Knocked& knock, KnockFailure why, const Turn& turn) {
  const auto found = hosts_.value().failed(why, knock.words);
  if (!found) return knock_at_host(knock.forward, turn);
  Explanation& explanation = table_[knock.forward].explanation.value();
  if (*found != KnockFailure::nobody_listens) {
    explanation.no_knock = hosts_.value().in_words();
    return evict_or_next(knock.forward, turn);
  }
  // It may have been given back just now: only a second refusal is a policy.
  explanation.refusal = Refusal::policy;
  return request(knock.forward, turn);
}

std::vector<ListenerAction> Listeners::evicted(const Evicted& eviction, const Turn& turn) {
  const bool identified = expecting(eviction.forward, ForwardState::identifying) != nullptr;
  if (!identified && expecting(eviction.forward, ForwardState::evicting) == nullptr) return {};
  ForwardProgress* forward = &table_[eviction.forward];
  switch (eviction.outcome) {
    case EvictOutcome::freed:
      if (identified) return give_up(eviction.forward, turn);
      last_eviction_ = turn.now;
      return request(eviction.forward, turn);
    case EvictOutcome::other_device:
    case EvictOutcome::twin: {
      const bool twin = eviction.outcome == EvictOutcome::twin;
      Explanation& explanation = forward->explanation.value();
      explanation.silent = explanation.refusal == Refusal::held_stale;
      explanation.refusal = twin ? Refusal::held_by_twin : Refusal::held_by_other_device;
      explanation.holder = eviction.holder;
      explanation.guard = eviction.guard;
      return give_up(eviction.forward, turn);
    }
    case EvictOutcome::not_ours:
    case EvictOutcome::failed:
      if (!identified && !eviction.why.empty()) forward->explanation.value().not_evicted = eviction.why;
      return give_up(eviction.forward, turn);
  }
  std::abort();
}

std::vector<ListenerAction> Listeners::lease_came_up(const Turn& turn) {
  may_ask_lease_ = true;
  if (!settled()) return {};
  for (std::size_t index = 0; index < table_.size(); ++index) {
    if (table_[index].state != ForwardState::refused) continue;
    const Refusal refusal = table_[index].explanation.value().refusal;
    if (refusal == Refusal::held_stale || refusal == Refusal::unexplained) return evict_or_next(index, turn);
    if (refusal == Refusal::held_live) return identify_or_next(index, turn);
  }
  return {};
}

std::vector<ListenerAction> Listeners::lease_went(const Turn& turn) {
  may_ask_lease_ = false;
  return stop_asking(turn);
}

std::vector<ListenerAction> Listeners::stop_asking(const Turn& turn) {
  for (const ForwardState asked : {ForwardState::identifying, ForwardState::evicting}) {
    if (const auto waiting = in_state(asked)) return give_up(*waiting, turn);
  }
  return {};
}

std::vector<ListenerAction> Listeners::expired(const Turn& turn) {
  if (const auto silent = in_state(ForwardState::knocking)) {
    std::vector<ListenerAction> actions{EndKnock{}};
    for (const ListenerAction& action : evict_or_next(*silent, turn)) actions.push_back(action);
    return actions;
  }
  if (in_state(ForwardState::identifying) || in_state(ForwardState::evicting)) return stop_asking(turn);
  for (ForwardProgress& forward : table_) {
    if (forward.state == ForwardState::refused) forward.state = ForwardState::pending;
  }
  return next(turn);
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

/// Asks for the next pending forward, those whose port the relay chooses first. libssh reads the port of such an answer
/// from the last packet; before the first listener stands no other packet can come between.
std::vector<ListenerAction> Listeners::next(const Turn& turn) {
  std::optional<std::size_t> chosen;
  for (std::size_t index = 0; index < table_.size(); ++index) {
    if (table_[index].state != ForwardState::pending) continue;
    const auto& forwards = turn.spec.remote_forward;
    if (!chosen || (forwards[index].port == 0 && forwards[*chosen].port != 0)) chosen = index;
  }
  if (chosen) return request(*chosen, turn);
  if (in_state(ForwardState::refused)) {
    due_ = turn.now + ask_again_wait(turn.now - refused_since_.value(), turn.jitter);
  } else {
    due_.reset();
    refused_since_.reset();
  }
  return {};
}

std::vector<ListenerAction> Listeners::request(std::size_t forward, const Turn& turn) {
  table_[forward].state = ForwardState::requested;
  due_.reset();
  if (answer_timeout_) due_ = turn.now + *answer_timeout_;
  return {RequestForward{forward}};
}

std::vector<ListenerAction> Listeners::knock(std::size_t forward, const Turn& turn) {
  table_[forward].state = ForwardState::knocking;
  table_[forward].explanation = Explanation{Refusal::unexplained, "", turn.now, std::nullopt};
  table_[forward].explanation->own = holding(turn.spec.remote_forward[forward].port);
  hosts_.emplace(turn.spec.remote_forward[forward]);
  return knock_at_host(forward, turn);
}

std::vector<ListenerAction> Listeners::knock_at_host(std::size_t forward, const Turn& turn) {
  due_ = turn.now + knock_timeout;
  return {Knock{forward, hosts_.value().current()}};
}

std::vector<ListenerAction> Listeners::identify_or_next(std::size_t forward, const Turn& turn) {
  if (!may_ask_lease_ || table_[forward].explanation.value().own) return give_up(forward, turn);
  table_[forward].state = ForwardState::identifying;
  due_ = turn.now + lease_timeout;
  return {Identify{forward}};
}

std::vector<ListenerAction> Listeners::evict_or_next(std::size_t forward, const Turn& turn) {
  const auto cooling = [&](const std::optional<TimePoint>& last) { return last && turn.now - *last < evict_cooldown; };
  Explanation& explanation = table_[forward].explanation.value();
  if (explanation.own || !may_ask_lease_ || cooling(explanation.evict_tried) || cooling(last_eviction_)) {
    return give_up(forward, turn);
  }
  explanation.evict_tried = turn.now;
  table_[forward].state = ForwardState::evicting;
  due_ = turn.now + lease_timeout;
  return {Evict{forward}};
}

std::vector<ListenerAction> Listeners::give_up(std::size_t forward, const Turn& turn) {
  table_[forward].state = ForwardState::refused;
  return next(turn);
}

/// After one minute, then after twice as long each time.
bool Listeners::knock_due(const Explanation& explanation, TimePoint now) const {
  return now - explanation.knocked >= std::max<Duration>(knock_again, explanation.knocked - refused_since_.value());
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
