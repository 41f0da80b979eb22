#include "holdfast/failover.hpp"

#include <algorithm>
#include <utility>

namespace holdfast {
namespace {

/// Looking costs some 1.5 KB, going back in vain a few seconds without a tunnel: at least this often all the same.
constexpr Duration longest_return = std::chrono::hours{4};

/// What is gone may be the relay, or as likely the device's way to anywhere.
bool could_not_be_reached(const RelayProgress& relay) {
  return relay.failure && facts_of(relay.failure->cause).lies == Lies::on_the_way;
}

/// A stranger under the relay's name goes as trouble with the network does, whatever he shows.
Cause paced_by(const RelayProgress& relay, const Failure& failure) {
  return relay.addresses.is_stranger(failure.cause) ? Cause::unreachable : failure.cause;
}

/// A fleet that lost its relay in one instant must not be at the next one in one instant (sshd's MaxStartups).
Duration pause(const Turn& turn) {
  return std::chrono::duration_cast<Duration>(turn.spec.backoff.network.first * turn.jitter());
}

/// fail_back_after, doubled for each time that it was in vain, and up to as long again, so that a fleet that left a
/// relay in one instant does not return in one.
Duration until_return(const RelayProgress& relay, const Turn& turn) {
  const Duration first = turn.spec.fail_back_after;
  const Duration period = doubled(first, relay.failed_returns, std::max(longest_return, first));
  return std::chrono::duration_cast<Duration>(period * (1 + turn.jitter()));
}

}  // namespace

void Failover::resize(std::size_t count) {
  if (all_.size() != count) all_.resize(count);
}

NextTry Failover::failed(const Failure& failure, Reached reached, Duration outage, const Turn& turn) {
  const bool lasted = reached == Reached::lasting_session;
  RelayProgress& relay = here();
  const Cause cause = paced_by(relay, failure);
  if (facts_of(cause).family == BackoffFamily::refused) {
    relay.refusal = failure;
    relay.refused_at = turn.now;
  }
  const bool own_penalty = failure.cause == Cause::relay_penalty && relay.refusal;
  relay.failure = failure;
  relay.failed_at = turn.now;
  relay.look_after.reset();
  const bool smaller = relay.segments.just_lowered();
  // An address where a session has stood is better than one that was never tried.
  const bool stood = lasted || reached == Reached::session;
  if (!stood && !own_penalty && !smaller && relay.addresses.failed(failure.cause, turn.now)) {
    relay.next_try = turn.now + pause(turn);
    return {current_, *relay.next_try};
  }
  const Cause paces = own_penalty ? relay.refusal->cause : cause;
  const bool not_the_networks = reached == Reached::login || failure.cause == Cause::protocol_mismatch;
  const Duration outage_of_network = not_the_networks ? Duration::max() : outage;
  const TimePoint again = turn.now + relay.backoff.next_wait(turn.spec.backoff, paces, outage_of_network, turn.jitter);
  if (lasted || smaller || facts_of(failure.cause).lies == Lies::in_device) return {current_, again};

  relay.next_try = again;
  if (const auto secondary = std::exchange(came_from_, std::nullopt)) {
    ++relay.failed_returns;
    if (!must_wait(*secondary, turn.now)) return {*secondary, turn.now + pause(turn)};
  }
  if (const auto other = best_other(turn.now, turn.now - outage)) return {*other, turn.now + pause(turn)};
  wait_together(again);
  return best(turn.now);
}

NextTry Failover::best(TimePoint now) const {
  NextTry found{0, TimePoint::max()};
  for (std::size_t index = 0; index < all_.size(); ++index) {
    if (!must_wait(index, now)) return {index, now};
    const TimePoint at = all_[index].next_try.value();
    if (at < found.at) found = {index, at};
  }
  return found;
}

bool Failover::another_may_listen(TimePoint now) const {
  for (std::size_t index = 0; index < all_.size(); ++index) {
    const auto& failure = all_[index].failure;
    const bool refuses = failure && facts_of(failure->cause).family == BackoffFamily::listener;
    if (index != current_ && !refuses && !must_wait(index, now)) return true;
  }
  return false;
}

void Failover::network_changed(bool moved) {
  for (RelayProgress& relay : all_) {
    if (moved) relay.segments = {};
    if (!relay.failure) continue;
    const BackoffFamily family = facts_of(paced_by(relay, *relay.failure)).family;
    const bool of_the_old_address = family == BackoffFamily::penalty && moved && !relay.refusal;
    if (family == BackoffFamily::network || of_the_old_address) relay.next_try.reset();
  }
}

void Failover::forgive_addresses() {
  for (RelayProgress& relay : all_) relay.addresses.forgive();
}

void Failover::forgive_all() {
  forgive_addresses();
  for (RelayProgress& relay : all_) {
    relay.next_try.reset();
    relay.refusal.reset();
    relay.timeouts = {};
    relay.segments = {};
    relay.failed_returns = 0;
  }
  came_from_.reset();
}

void Failover::established() {
  here().failure.reset();
  here().refusal.reset();
  here().next_try.reset();
}

void Failover::held_long() {
  here().backoff.reset();
  here().failed_returns = 0;
  here().addresses.lasted();
  came_from_.reset();
}

void Failover::plan_returns(const Turn& turn) {
  for (std::size_t index = 0; index < all_.size(); ++index) {
    auto& look_after = all_[index].look_after;
    if (index >= current_ || turn.spec.fail_back_after == Duration::zero()) {
      look_after.reset();
    } else if (!look_after) {
      look_after = turn.now + until_return(all_[index], turn);
    }
  }
}

std::optional<TimePoint> Failover::next_look() const {
  std::optional<TimePoint> first;
  for (std::size_t index = 0; index < current_; ++index) first = earlier(first, all_[index].look_after);
  return first;
}

std::optional<std::size_t> Failover::to_look_at(TimePoint now) const {
  for (std::size_t index = 0; index < current_; ++index) {
    if (all_[index].look_after && *all_[index].look_after <= now) return index;
  }
  return std::nullopt;
}

Duration Failover::not_back(std::size_t relay, const Turn& turn) {
  ++all_[relay].failed_returns;
  const Duration wait = until_return(all_[relay], turn);
  all_[relay].look_after = turn.now + wait;
  return wait;
}

void Failover::go_back_to(std::size_t relay) {
  all_[relay].look_after.reset();
  came_from_ = std::exchange(current_, relay);
}

bool Failover::must_wait(std::size_t relay, TimePoint now) const {
  return all_[relay].next_try && *all_[relay].next_try > now;
}

std::optional<std::size_t> Failover::best_other(TimePoint now, TimePoint outage_since) const {
  const auto last_tried = [&](const RelayProgress& relay) {
    return relay.failure && relay.failed_at >= outage_since ? relay.failed_at : TimePoint::min();
  };
  std::optional<std::size_t> found;
  for (std::size_t index = 0; index < all_.size(); ++index) {
    if (index == current_ || must_wait(index, now)) continue;
    if (!found || last_tried(all_[index]) < last_tried(all_[*found])) found = index;
  }
  return found;
}

void Failover::wait_together(TimePoint until) {
  if (!std::all_of(all_.begin(), all_.end(), [](const RelayProgress& relay) { return could_not_be_reached(relay); }))
    return;
  for (RelayProgress& relay : all_) relay.next_try = until;
}

}  // namespace holdfast
