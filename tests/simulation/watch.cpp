#include "simulation/watch.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "holdfast/overloaded.hpp"

namespace holdfast::simulation {
namespace {

using namespace std::chrono_literals;

constexpr Duration to_close = 5s;
/// One proof at its slowest: three names of 10 s, 15 s to come back, 3 s for the target; and a timer's delay.
constexpr Duration longest_proof = 50s;
/// The core's own limit on what it remembers of the log.
constexpr std::size_t told_at_most = 8;
/// At each relay, where each dial fails at once (DNS knows no such name): half a minute apart, and about 75 more while
/// the outage is young.
constexpr unsigned dials_an_hour = 250, dials_a_fresh_start = 100, refusals_an_hour = 60;

std::uint32_t bit(std::size_t forward) {
  return std::uint32_t{1} << forward;
}

bool holds(const std::vector<std::string>& addresses, const std::string& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

/// The name has led to more than one: which of them failed is the core's own to know.
bool several(const FoundAddresses& found) {
  return found.said.size() > 1 || (!found.remembered.empty() && found.said != found.remembered);
}

Duration probing_slack(const LivenessSpec& liveness) {
  return probe_period(liveness);  // what halves a silence rounds up to whole intervals
}

}  // namespace

Watch::Watch(const TunnelSpec& spec) : spec_(&spec), verified_(spec.remote_forward.size()) {}

void Watch::breaks(Promise promise, std::string what, TimePoint now) {
  if (!broken_) broken_ = Violation{promise, std::move(what), now};
}

void Watch::saw(const TunnelEvent& event, const TunnelState& after, const std::vector<TunnelAction>& actions,
                TimePoint now) {
  happened(event, now);
  const std::uint32_t asked = asked_;
  bool draining = false;
  std::uint32_t cancelled = 0;
  for (const TunnelAction& action : actions) {
    const Deed deed = deed_of(action);
    draining = draining || deed.did == Did::drain;
    if (deed.did == Did::cancel_forward) cancelled |= bit(deed.index);
    did(deed, after, now);
  }
  if (draining && (asked & ~cancelled) != 0) breaks(Promise::stops_in_time, "a listener is not given back", now);
  moved_to(after, now);
  has_a_deadline(event, after, now);
  is_not_silent(now);
  is_verified(after, now);
  stops(now);
}

Duration Watch::worst_wait() const {
  Duration worst = std::max(spec_->backoff.network.cap, spec_->backoff.listener.cap);
  if (failures(BackoffFamily::penalty) > 0)
    worst = std::max(worst, spec_->backoff.penalty.first + spec_->backoff.penalty.cap);
  if (failures(BackoffFamily::refused) > 0) worst = std::max(worst, spec_->backoff.refused.cap);
  return worst;
}

// ---- what happened ----------------------------------------------------------------------------------------------

void Watch::happened(const TunnelEvent& event, TimePoint now) {
  std::visit(
      overloaded{[&](const Start&) {
                   if (stage_ == Stage::idle) outage_since_ = now;
                 },
                 [](const Proceed&) {},
                 [&](const StopRequested&) {
                   if (!stop_since_ && stage_ != Stage::idle) stop_since_ = now;
                   to_the_preferred_ = false;
                 },
                 [&](const StopNow&) { stop_since_ = now - spec_->drain_timeout - to_close; },
                 [&](const ReconnectRequested&) {
                   ++fresh_starts_;
                   refused_before_ = false;
                   const bool heeded = stage_ == Stage::opening || is_live(stage_) || stage_ == Stage::backing_off;
                   to_the_preferred_ = to_the_preferred_ || heeded;
                 },
                 [](const TimerExpired&) {},
                 [&](const NetworkChanged& change) {
                   ++fresh_starts_;
                   if (!is_live(stage_)) return;
                   change_due_ = now + (change.moved ? Duration{1s} : std::min<Duration>(5s + change.repetition, 30s));
                 },
                 [&](const OfSession& of) {
                   if (of.attempt == attempt_) happened(of.event, now);
                 }},
      event);
}

void Watch::happened(const SessionEvent& event, TimePoint now) {
  std::visit(overloaded{[&](const PhaseCompleted& completed) {
                          if (stage_ != Stage::opening || opening_ != completed.phase) return;
                          if (completed.phase == OpeningPhase::resolve)
                            another_address_ = another_address_ || several(completed.found);
                          if (completed.phase == OpeningPhase::resolve) found_ = completed.found;
                          if (completed.phase == OpeningPhase::connect) {
                            connected_ = true;
                            agreed_ =
                                holds(found_.said, completed.address) && holds(found_.remembered, completed.address);
                          }
                          if (completed.phase != OpeningPhase::authenticate) return;
                          logged_in_ = true;
                          heard_ = now;
                        },
                        [&](const ForwardAnswered& answer) {
                          if (!answer.bound_port) asked_ &= ~bit(answer.forward);
                          if (answer.bound_port) verified_[answer.forward] = now;
                        },
                        [&](const Knocked& knock) {
                          if (knock.answer == KnockAnswer::answered) answered_ |= bit(knock.forward);
                          if (knock.answer != KnockAnswer::opened) knocking_ = false;
                        },
                        [](const Evicted&) {},
                        [&](const ProofAdvanced& proof) {
                          if (proof.news == ProofNews::not_permitted) not_permitted_ |= bit(proof.forward);
                        },
                        [&](const ListenerCancelled& cancelled) { asked_ &= ~bit(cancelled.forward); },
                        [&](const Received& received) {
                          heard_ = now;
                          if (received.whole_packet) change_due_.reset();
                        },
                        [](const TransportStalled&) {}, [](const ConnectionsDrained&) {},
                        [&](const RelayLookedAt&) { looking_ = false; }, [](const ConnectionsIdle&) {},
                        [&](const LeaseOpened&) { lease_open_ = std::exchange(lease_opening_, false); },
                        [&](const LeaseLost&) { lease_open_ = lease_opening_ = false; }, [](const SessionFailed&) {},
                        [](const SessionClosed&) {}},
             event);
}

// ---- what it did ------------------------------------------------------------------------------------------------

void Watch::did(const Deed& deed, const TunnelState& after, TimePoint now) {
  switch (deed.did) {
    case Did::dial:
      if (dialled_ || session_) breaks(Promise::one_session, "a dial beside what stands", now);
      if (after.attempt != attempt_ + 1) breaks(Promise::one_session, "a dial without a number of its own", now);
      if (std::exchange(to_the_preferred_, false) && after.failover.current() != 0)
        breaks(Promise::request_goes_to_the_preferred, "another relay is dialled", now);
      attempt_ = after.attempt;
      dialled_ = true;
      return count(dials_, relay_count() * (dials_an_hour + dials_a_fresh_start * fresh_starts_), "dials in an hour",
                   now);
    case Did::connect:
      if (!dialled_ || connected_ || deed.order->addresses.empty() || deed.order->racing == 0 ||
          deed.order->racing > deed.order->addresses.size())
        breaks(Promise::acts_on_what_is_there, "no address to connect to", now);
      return;
    case Did::open_session:
      if (!connected_ || session_) breaks(Promise::acts_on_what_is_there, "no socket to open a session on", now);
      session_ = true;
      return;
    case Did::authenticate:
      if (!session_ || logged_in_) breaks(Promise::acts_on_what_is_there, "no session to log in on", now);
      if (deed.listen_ahead && after.stands_by)
        breaks(Promise::stands_by_quietly, "a listener is asked for with the login", now);
      return;
    case Did::park:
      if (!logged_in_) breaks(Promise::acts_on_what_is_there, "no session to park", now);
      parked_ = true;
      return session_is_gone();
    case Did::drop:
      return session_is_gone();
    case Did::reset_parked:
      parked_ = false;
      return;
    case Did::tell:
      return told(*deed.news, now);
    case Did::open_lease:
    case Did::end_lease:
    case Did::record_lease:
    case Did::heartbeat:
    case Did::identify:
    case Did::evict:
      return on_the_lease(deed, now);
    case Did::request_forward:
    case Did::knock:
    case Did::end_knock:
    case Did::prove:
    case Did::end_proof:
    case Did::cancel_forward:
    case Did::keepalive:
    case Did::look:
    case Did::end_look:
    case Did::await_idle:
    case Did::drain:
    case Did::close:
      if (stage_of(after.phase) == Stage::standing_by && deed.did != Did::keepalive)
        breaks(Promise::stands_by_quietly, "it does more than to keep its session alive", now);
      return on_the_session(deed, now);
  }
  std::abort();
}

void Watch::on_the_session(const Deed& deed, TimePoint now) {
  const auto needs = [&](bool there, const char* what) {
    if (!there) breaks(Promise::acts_on_what_is_there, what, now);
  };
  needs(logged_in_, "no session for it");
  if (deed.did == Did::request_forward) {
    needs((asked_ & bit(deed.index)) == 0, "a listener is asked for that is there");
    asked_ |= bit(deed.index);
  } else if (deed.did == Did::knock) {
    answered_ &= ~bit(deed.index);
    knocking_ = true;
  } else if (deed.did == Did::end_knock) {
    needs(std::exchange(knocking_, false), "no knock to end");
  } else if (deed.did == Did::prove) {
    needs((asked_ & bit(deed.index)) != 0, "no listener to prove");
    needs(!proving_ || *proving_ == deed.index, "two proofs at a time");
    proving_ = deed.index;
  } else if (deed.did == Did::end_proof) {
    needs(proving_.has_value(), "no proof to end");
    if (proving_) verified_[*proving_] = now;
    proving_.reset();
  } else if (deed.did == Did::cancel_forward) {
    needs((asked_ & bit(deed.index)) != 0, "no listener to cancel");
  } else if (deed.did == Did::look) {
    needs(!looking_, "two looks at a time");
    looking_ = true;
  } else if (deed.did == Did::end_look) {
    needs(std::exchange(looking_, false), "no look to end");
  }
}

void Watch::on_the_lease(const Deed& deed, TimePoint now) {
  const auto needs = [&](bool there, const char* what) {
    if (!there) breaks(Promise::acts_on_what_is_there, what, now);
  };
  needs(logged_in_, "no session for the lease");
  if (deed.did == Did::open_lease) {
    needs(!lease_opening_ && !lease_open_, "two leases at a time");
    if (deed.guard < longest_silence(spec_->liveness))
      breaks(Promise::guard_spares_the_living, "the guard is less patient than the device", now);
    lease_opening_ = true;
  } else if (deed.did == Did::end_lease) {
    needs(lease_opening_ || lease_open_, "no lease to end");
    lease_opening_ = lease_open_ = false;
  } else {
    needs(lease_open_, "no lease to ask");
  }
  if (deed.did == Did::record_lease) needs((asked_ & bit(deed.index)) != 0, "no listener to record");
  if (deed.did == Did::evict && (answered_ & bit(deed.index)) != 0)
    breaks(Promise::others_untouched, "an eviction where somebody answers", now);
}

void Watch::session_is_gone() {
  dialled_ = connected_ = session_ = logged_in_ = looking_ = knocking_ = lease_opening_ = lease_open_ = false;
  asked_ = answered_ = not_permitted_ = 0;
  proving_.reset();
  change_due_.reset();
}

void Watch::told(const Happening& news, TimePoint now) {
  const auto line = log_.line(*spec_, news, now);
  if (!line || line->level != LogLevel::error || !line->failure || std::holds_alternative<ProofChanged>(news)) return;
  const auto same =
      std::find_if(told_.begin(), told_.end(), [&](const Told& each) { return each.failure == *line->failure; });
  if (same != told_.end()) {
    if (now - same->at < 1min) breaks(Promise::folds_its_log, describe(*line->failure), now);
    told_.erase(same);
  }
  if (told_.size() == told_at_most) told_.erase(told_.begin());
  told_.push_back({*line->failure, now});
}

/// By the clock's hours, which costs a device a number instead of a list.
void Watch::count(unsigned& in_this_hour, unsigned limit, const char* what, TimePoint now) {
  if (now - hour_ >= 1h) {
    hour_ = now;
    dials_ = refusals_ = fresh_starts_ = 0;
  }
  if (++in_this_hour > limit) breaks(Promise::attempts_bounded, std::to_string(in_this_hour) + " " + what, now);
}

// ---- where it stands --------------------------------------------------------------------------------------------

void Watch::moved_to(const TunnelState& after, TimePoint now) {
  const Stage before = std::exchange(stage_, stage_of(after.phase));
  if (before == Stage::established && stage_ != before) left_established(now);
  if (const auto* opening = std::get_if<Opening>(&after.phase)) {
    if (before != stage_ || opening_ != opening->phase || opening->since == now) opens(*opening, now);
  } else if (const auto* waiting = std::get_if<BackingOff>(&after.phase)) {
    if (before != stage_) waits(*waiting, before == Stage::opening && opening_ > OpeningPhase::banner, now);
  } else if (stage_ == Stage::established && before != stage_) {
    established_since_ = now;
    held_long_ = refused_before_ = false;
    told_.clear();
    std::fill(verified_.begin(), verified_.end(), now);
  }
  if (!is_live(stage_)) change_due_.reset();
}

void Watch::left_established(TimePoint now) {
  held_long_ = now - *established_since_ >= spec_->backoff.reset_after;
  if (held_long_) {
    outage_since_ = now;
    failures_ = {};
  }
}

/// Young outages are met by short attempts (src/core/opening.cpp).
void Watch::opens(const Opening& opening, TimePoint now) {
  opening_ = opening.phase;
  const bool alone = spec_->relays.size() <= 1;
  const Duration young = std::max<Duration>(3s, outage(now) / 8);
  Duration limit = spec_->connect_timeout;
  if (opening.phase == OpeningPhase::connect || (opening.phase == OpeningPhase::banner && !alone))
    limit = std::min(limit, young);
  if (opening.phase == OpeningPhase::resolve && !alone) limit = std::min(limit, std::max<Duration>(6s, young));
  const Duration given = opening.deadline - now;
  if (given <= limit && given > Duration::zero()) return;
  breaks(held_long_ ? Promise::starts_over : Promise::waits_by_schedule,
         std::string{to_string(opening.phase)} + " may take " + holdfast::to_text(given) + " instead of " +
             holdfast::to_text(limit),
         now);
}

Duration Watch::ceiling(BackoffFamily family) const {
  const auto doubled = [&](const BackoffSchedule& schedule) {
    Duration limit = schedule.first;
    for (unsigned n = 0; n < failures(family) && limit < schedule.cap; ++n) limit *= 2;
    return std::min(limit, schedule.cap);
  };
  switch (family) {
    case BackoffFamily::network:
      return doubled(spec_->backoff.network);
    case BackoffFamily::listener:
      return doubled(spec_->backoff.listener);
    case BackoffFamily::refused:
      return doubled(spec_->backoff.refused);
    case BackoffFamily::penalty:
      return spec_->backoff.penalty.first + doubled(spec_->backoff.penalty);
  }
  std::abort();
}

void Watch::waits(const BackingOff& waiting, bool in_login, TimePoint now) {
  const bool alone = spec_->relays.size() <= 1 && !another_address_;
  BackoffFamily family = facts_of(waiting.failure.cause).family;
  // A wrong key where DNS and the memory do not agree is a stranger's, and his doing the network's.
  if (waiting.failure.cause == Cause::host_key_changed && !agreed_) family = BackoffFamily::network;
  if (family == BackoffFamily::refused) {
    refused_before_ = true;
    count(refusals_, refusals_an_hour + dials_a_fresh_start * fresh_starts_, "refusals in an hour", now);
  }
  const bool own_penalty = family == BackoffFamily::penalty && refused_before_;
  Duration shortest{};
  if (family == BackoffFamily::penalty && alone && !own_penalty) shortest = spec_->backoff.penalty.first;
  if (own_penalty) family = BackoffFamily::refused;
  Duration longest = ceiling(family);
  if (family == BackoffFamily::network && !in_login)
    longest = std::min(longest, std::max(spec_->backoff.network.first, outage(now) / 8));
  if (!alone && !held_long_) {  // it may be another relay that is waited for, or was a stranger at another address
    for (const auto each :
         {BackoffFamily::network, BackoffFamily::listener, BackoffFamily::refused, BackoffFamily::penalty})
      longest = std::max(longest, ceiling(each));
  }
  ++failures(family);
  const Duration wait = waiting.until - now;
  if (wait >= shortest && wait <= longest) {
    held_long_ = false;
    return;
  }
  breaks(held_long_ ? Promise::starts_over : Promise::waits_by_schedule,
         "a wait of " + holdfast::to_text(wait) + " instead of " + holdfast::to_text(shortest) + " to " +
             holdfast::to_text(longest) + " after " + std::string{to_string(waiting.failure.cause)},
         now);
}

void Watch::has_a_deadline(const TunnelEvent& event, const TunnelState& after, TimePoint now) {
  const auto deadline = next_deadline(after);
  const bool may_wait = stage_ == Stage::idle || stage_ == Stage::stopped;
  const bool unasked = is_live(stage_) && spec_->liveness.server_alive_interval == Duration::zero();
  if (!deadline && !may_wait && !unasked) breaks(Promise::always_a_deadline, "it waits for nothing", now);
  if (deadline && may_wait) breaks(Promise::always_a_deadline, "a deadline, and nothing is due", now);
  // The longest that anything is put off for: a look at a better relay, 4 h and as long again, or a proof.
  if (deadline && *deadline - now > std::max<Duration>(8h, spec_->verify_interval * 5 / 4))
    breaks(Promise::always_a_deadline, "a deadline in the far future", now);
  if (!std::holds_alternative<TimerExpired>(event)) return;
  timers_ = now == timer_at_ ? timers_ + 1 : 0;
  timer_at_ = now;
  if (timers_ > 50) breaks(Promise::always_a_deadline, "its timer spins", now);
}

void Watch::is_not_silent(TimePoint now) {
  if (!is_live(stage_)) return;
  if (change_due_ && now > *change_due_) breaks(Promise::proves_after_change, "it lives on unproven", now);
  const LivenessSpec& liveness = spec_->liveness;
  if (liveness.server_alive_interval == Duration::zero()) return;
  if (now - heard_ > longest_debt(liveness) + probing_slack(liveness))
    breaks(Promise::notices_silence, "silent for " + holdfast::to_text(now - heard_), now);
}

void Watch::is_verified(const TunnelState& after, TimePoint now) {
  if (stage_ != Stage::established || spec_->verify_interval == Duration::zero()) return;
  const ForwardTable& table = *forwards_of(after.phase);
  for (std::size_t forward = 0; forward < table.size(); ++forward) {
    if (table[forward].state != ForwardState::held || (not_permitted_ & bit(forward)) != 0) continue;
    const Duration limit = spec_->verify_interval * 5 / 4 + longest_proof * static_cast<int>(table.size());
    if (now - verified_[forward] > limit)
      breaks(Promise::verifies_in_time, "not verified for " + holdfast::to_text(now - verified_[forward]), now);
  }
}

void Watch::stops(TimePoint now) {
  if (!stop_since_) return;
  if (now - *stop_since_ > spec_->drain_timeout + to_close) breaks(Promise::stops_in_time, "it takes too long", now);
  if (stage_ == Stage::stopped && (dialled_ || session_))
    breaks(Promise::stops_in_time, "something is held on to", now);
  if (stage_ == Stage::stopped) stop_since_.reset();
}

}  // namespace holdfast::simulation
