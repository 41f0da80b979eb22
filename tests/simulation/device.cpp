#include "simulation/device.hpp"

#include <algorithm>
#include <utility>

namespace holdfast::simulation {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint never = TimePoint::max();

/// What any one recovery may take besides waits and silences: each phase once more than it needs, and the ladder of a
/// refused listener (knock 5 s and 0.4 s, evict 10 s, a cooldown of a minute, asked again after up to 75 s).
constexpr Duration ladder = 3min;
/// A lease that was lost is opened again after 10 min at the latest.
constexpr Duration lease_retry = 10min;

const std::string stranger = "203.0.113.1";

/// What DNS says of a relay.
std::vector<std::string> addresses_of(std::size_t number, const Relay& relay) {
  std::vector<std::string> addresses;
  for (std::size_t index = 0; index < relay.config().addresses; ++index)
    addresses.push_back("192.0.2." + std::to_string(10 * (number + 1) + index));
  return addresses;
}

bool is_name(const std::string& host) {
  return host.find_first_not_of("0123456789.:") != std::string::npos;
}

}  // namespace

Device::Device(DeviceNumber number, const TunnelSpec& spec, std::vector<Relay>& relays, std::uint64_t seed,
               bool dns_cache)
    : number_(number), spec_(spec), relays_(relays), random_(seed), watch_(spec), dns_cache_(dns_cache) {
  bound_.resize(spec.remote_forward.size());
  right_.resize(relays.size());
}

void Device::boot(TimePoint now) {
  const bool stands_by = std::exchange(power_, Power::on) == Power::to_reload;
  proceeds_at_.reset();
  if (stands_by) proceeds_at_ = now + random_.between(0s, spec_.drain_timeout + 5s);
  state_ = {};
  const auto broken = watch_.broken();
  watch_ = Watch{spec_};
  if (broken) watch_.breaks(broken->promise, broken->what, broken->at);
  if (fed_ != nullptr) fed_->clear();
  feed(Start{stands_by}, now);
}

// ---- what is due ------------------------------------------------------------------------------------------------

TimePoint Device::next() const {
  if (power_ == Power::off) return on_at_;
  if (slept_from_) return awake_at_;
  TimePoint first = link_up_.value_or(never);
  if (power_ != Power::on && stopped()) first = std::min(first, on_at_);
  if (proceeds_at_) first = std::min(first, *proceeds_at_);
  for (const Awaited& each : awaited_) first = std::min(first, each.at);
  if (const auto deadline = next_deadline(state_)) first = std::min(first, *deadline + asleep_);
  if (session_ != 0 && !flow_dead_) {
    const RelayConfig& config = relay().config();
    if (config.idle_timeout > 0s) first = std::min(first, used_at_ + config.idle_timeout);
    if (config.session_timeout > 0s) first = std::min(first, opened_at_ + config.session_timeout);
    if (config.channel_timeout > 0s && relay().last_heartbeat(session_))
      first = std::min(first, lease_used_at_ + config.channel_timeout);
  }
  return first;
}

void Device::advance(TimePoint now) {
  if (power_ == Power::off) return boot(now);
  if (slept_from_) return wake(now);
  if (link_up_ && now >= *link_up_) return link_comes_up(now);
  if (proceeds_at_ && now >= *proceeds_at_) {
    proceeds_at_.reset();
    return feed(Proceed{}, now);
  }
  auto first = awaited_.begin();
  for (auto each = awaited_.begin(); each != awaited_.end(); ++each) {
    if (each->at < first->at) first = each;
  }
  if (first != awaited_.end() && first->at <= now) {
    const Awaited awaited = *first;
    if (const auto later = held_up_until(awaited, now)) {
      first->at = *later;
    } else {
      awaited_.erase(first);
      come(awaited, now);
    }
  } else {
    timers(now);
  }
  check_held(now);
  starts_again_if_due(now);
}

void Device::timers(TimePoint now) {
  if (session_ != 0 && !flow_dead_) {
    const RelayConfig& config = relay().config();
    if (config.idle_timeout > 0s && now >= used_at_ + config.idle_timeout)
      return config.idle_silently ? loses_flow(now) : lose_session(Cause::connection_lost, now);
    if (config.session_timeout > 0s && now >= opened_at_ + config.session_timeout)
      return lose_session(Cause::connection_lost, now);
    if (config.channel_timeout > 0s && relay().last_heartbeat(session_) &&
        now >= lease_used_at_ + config.channel_timeout) {
      relay().end_lease(session_);
      if (passes(now)) feed_session(LeaseLost{"its channel was closed"}, now);
      return;
    }
  }
  TimerExpired timer;
  if (spec_.liveness.economy() && session_ != 0) {
    if (passes(now)) acknowledged_ = now;
    timer.acknowledged = clock(acknowledged_);
  }
  feed(timer, now);
}

// ---- the step ---------------------------------------------------------------------------------------------------

void Device::feed(const TunnelEvent& event, TimePoint now, bool late) {
  std::vector<double> dice;
  const bool due = next_deadline(state_) == clock(now);
  Step result = step(spec_, std::move(state_), event, clock(now), [&] { return dice.emplace_back(random_.unit()); });
  state_ = std::move(result.next);
  ++steps_;
  if (fed_ != nullptr) fed_->push_back({clock(now), event, dice, late, due});
  watch_.saw(event, state_, result.actions, clock(now));
  for (const TunnelAction& action : result.actions) perform(deed_of(action), now);
}

void Device::feed_session(SessionEvent event, TimePoint now) {
  feed(OfSession{state_.attempt, std::move(event)}, now);
}

void Device::perform(const Deed& deed, TimePoint now) {
  switch (deed.did) {
    case Did::dial:
      relay_ = state_.failover.current();
      flow_dead_ = before_login_ = false;
      at_.clear();
      session_ = 0;
      flow_ready_ = now;
      return wait_for(Answer::resolved, random_.between(1ms, 50ms), now);
    case Did::connect:
      order_ = deed.order->addresses;
      return wait_for(Answer::connected, round_trip(now), now);
    case Did::open_session:
      return wait_for(Answer::banner, round_trip(now), now);
    case Did::authenticate:
      return wait_for(Answer::login, 2 * round_trip(now), now);
    case Did::request_forward:
      used(now);
      return wait_for(Answer::listen, round_trip(now), now, deed.index);
    case Did::knock:
      used(now);
      return wait_for(Answer::knock_opens, round_trip(now), now, deed.index, is_name(deed.host));
    case Did::end_knock:
      return forget({Answer::knock_opens, Answer::knock_speaks});
    case Did::identify:
      lease_used(now);
      return wait_for(Answer::identified, round_trip(now) + 100ms, now, deed.index);
    case Did::evict:
      lease_used(now);
      return wait_for(Answer::evicted, round_trip(now) + 100ms, now, deed.index);
    case Did::prove:
      used(now);
      forget({Answer::proof_opens, Answer::proof_comes_back, Answer::proof_ends});
      return wait_for(Answer::proof_opens, round_trip(now), now, deed.index, is_name(deed.host));
    case Did::end_proof:
      return forget({Answer::proof_opens, Answer::proof_comes_back, Answer::proof_ends});
    case Did::cancel_forward:
      used(now);
      return wait_for(Answer::cancelled, round_trip(now), now, deed.index);
    case Did::open_lease:
      used(now);
      // Its guard, in seconds; the script is asked when it comes.
      return wait_for(Answer::lease_opens, round_trip(now) + 200ms, now,
                      static_cast<std::size_t>(std::chrono::duration_cast<std::chrono::seconds>(deed.guard).count()));
    case Did::end_lease:
      forget({Answer::lease_opens, Answer::identified, Answer::evicted});
      return relay().end_lease(session_);
    case Did::record_lease:
      lease_used(now);
      if (passes(now)) relay().record(session_, port(deed.index));
      return;
    case Did::heartbeat:
      lease_used(now);
      return wait_for(Answer::echo, round_trip(now), now, 1);
    case Did::keepalive:
      used(now);
      return wait_for(Answer::echo, round_trip(now), now, 0);
    case Did::look:
      look_at_ = deed.index;
      return wait_for(Answer::looked, random_.between(50ms, 1s), now);
    case Did::end_look:
      return forget({Answer::looked});
    case Did::await_idle:
    case Did::drain: {
      const TimePoint left = conditions_.until(FaultKind::visitors);
      return wait_for(deed.did == Did::drain ? Answer::drained : Answer::idle, left > now ? left - now : Duration{1ms},
                      now);
    }
    case Did::close:
      return wait_for(Answer::closed, round_trip(now), now);
    case Did::park:
      parked_ = Parked{relay_, session_, address_};
      return leave(false, now);
    case Did::reset_parked:
      if (parked_ && parked_->address == address_) relays_[parked_->relay].ended(parked_->session);
      return parked_.reset();
    case Did::drop:
      return leave(true, now);
    case Did::tell:
      return;
  }
}

/// SSH answers in order, whatever holds them up.
void Device::wait_for(Answer answer, Duration delay, TimePoint now, std::size_t index, bool by_name) {
  TimePoint at = now + delay;
  const bool on_the_flow =
      answer != Answer::resolved && answer != Answer::looked && answer != Answer::idle && answer != Answer::drained;
  if (on_the_flow) at = flow_ready_ = std::max(at, flow_ready_);
  awaited_.push_back({at, state_.attempt, answer, by_name, false, static_cast<std::uint16_t>(index)});
}

void Device::forget(std::initializer_list<Answer> answers) {
  std::erase_if(awaited_, [&](const Awaited& each) {
    return std::find(answers.begin(), answers.end(), each.answer) != answers.end();
  });
}

/// A packet in twenty is sent again once, in one of four hundred twice; what is worse is a fault of its own.
Duration Device::round_trip(TimePoint now) {
  if (conditions_.on(FaultKind::slow, now)) return random_.between(500ms, 1min);
  Duration trip = random_.between(5ms, 300ms);
  if (random_.chance(0.05)) trip += random_.chance(0.05) ? 2s : 700ms;
  return trip;
}

Failure Device::failure(Cause cause, std::string_view operation) const {
  return {cause, std::string{operation}, relays_.size() > 1 ? "relay " + std::to_string(relay_) : "relay", ""};
}

// ---- the way ----------------------------------------------------------------------------------------------------

bool Device::has_a_way(TimePoint now) const {
  return !conditions_.on(FaultKind::hole, now) && !conditions_.on(FaultKind::link_down, now);
}

bool Device::passes(TimePoint now) const {
  return !flow_dead_ && has_a_way(now) && !relay().conditions().on(FaultKind::relay_vanishes, now);
}

/// TCP repeats what was lost once there is a way again; a frozen sshd answers when it thaws.
std::optional<TimePoint> Device::held_up_until(const Awaited& awaited, TimePoint now) const {
  if (awaited.late) return std::nullopt;
  switch (awaited.answer) {
    case Answer::resolved:
    case Answer::connected:
    case Answer::looked:
    case Answer::idle:
    case Answer::drained:
      return std::nullopt;
    case Answer::banner:
    case Answer::keys:
    case Answer::login:
    case Answer::listen:
    case Answer::knock_opens:
    case Answer::knock_speaks:
    case Answer::identified:
    case Answer::evicted:
    case Answer::proof_opens:
    case Answer::proof_comes_back:
    case Answer::proof_ends:
    case Answer::lease_opens:
    case Answer::echo:
    case Answer::cancelled:
    case Answer::closed:
      break;
  }
  const Conditions& there = relay().conditions();
  TimePoint until = std::max(conditions_.until(FaultKind::hole), conditions_.until(FaultKind::link_down));
  until = std::max({until, there.until(FaultKind::relay_vanishes), there.until(FaultKind::relay_frozen)});
  if (until <= now) return std::nullopt;
  return until + std::min<Duration>((until - now) / 2, 30s) + 1ms;
}

void Device::loses_flow(TimePoint now) {
  if (session_ != 0 && !flow_dead_) relay().abandoned(session_, now);
  flow_dead_ = true;
  trouble(now);
}

void Device::lose_session(Cause cause, TimePoint now) {
  relay().ended(session_);
  trouble(now);
  if (passes(now)) return feed_session(SessionFailed{failure(cause, "read from")}, now);
  flow_dead_ = true;
}

// ---- what comes -------------------------------------------------------------------------------------------------

void Device::come(const Awaited& awaited, TimePoint now) {
  if (awaited.late) {
    // One in ten comes all the same, too late.
    if (random_.chance(0.1))
      feed(OfSession{awaited.attempt, SessionFailed{failure(Cause::connection_lost, "late")}}, now, true);
    return;
  }
  switch (awaited.answer) {
    case Answer::resolved:
    case Answer::connected:
    case Answer::banner:
    case Answer::keys:
    case Answer::login:
      return comes_before_login(awaited, now);
    case Answer::looked:
      return looked(look_at_, now);
    case Answer::idle:
      return feed_session(ConnectionsIdle{}, now);
    case Answer::drained:
      return feed_session(ConnectionsDrained{}, now);
    case Answer::listen:
    case Answer::knock_opens:
    case Answer::knock_speaks:
    case Answer::identified:
    case Answer::evicted:
    case Answer::proof_opens:
    case Answer::proof_comes_back:
    case Answer::proof_ends:
    case Answer::lease_opens:
    case Answer::echo:
    case Answer::cancelled:
    case Answer::closed:
      return comes_on_session(awaited, now);
  }
}

void Device::comes_before_login(const Awaited& awaited, TimePoint now) {
  const Conditions& there = relay().conditions();
  const auto completed = [&](OpeningPhase phase) { feed_session(PhaseCompleted{phase, "SSH-2.0-OpenSSH_9.2"}, now); };
  if (awaited.answer == Answer::resolved) return found(now);
  if (awaited.answer == Answer::connected) return connects(now);
  if (flow_dead_) return;
  if (at_ == stranger) {
    if (awaited.answer == Answer::banner) {
      wait_for(Answer::keys, 2 * round_trip(now), now);
      return completed(OpeningPhase::banner);
    }
    return feed_session(SessionFailed{failure(Cause::host_key_changed, "check")}, now);
  }
  if (there.on(FaultKind::relay_refuses, now))
    return feed_session(SessionFailed{failure(Cause::connection_lost, "read from")}, now);
  if (awaited.answer == Answer::banner) {
    if (!relay().lets_in(now))
      return feed_session(SessionFailed{failure(Cause::relay_penalty, "read the banner of")}, now);
    before_login_ = true;
    completed(OpeningPhase::banner);
    wait_for(Answer::keys, 2 * round_trip(now), now);
  } else if (awaited.answer == Answer::keys) {
    if (there.on(FaultKind::host_key_changed, now)) return fail_before_login(Cause::host_key_changed, "check", 1s, now);
    completed(OpeningPhase::key_exchange);
  } else {
    if (there.on(FaultKind::key_refused, now))
      return fail_before_login(Cause::authentication_refused, "authenticate to", 5s, now);
    before_login_ = false;
    right_[relay_] = {at_, now};
    session_ = relay().logged_in(number_, now);
    opened_at_ = acknowledged_ = now;
    used(now);
    completed(OpeningPhase::authenticate);
  }
}

/// Nobody answers, or what DNS says, and where the relay was last.
void Device::found(TimePoint now) {
  const bool denied = conditions_.on(FaultKind::dns_denies, now);
  const bool silent = conditions_.on(FaultKind::dns_silent, now) || !has_a_way(now);
  FoundAddresses found;
  if (!denied && !silent)
    found.said = conditions_.on(FaultKind::dns_lies, now) ? std::vector{stranger} : addresses_of(relay_, relay());
  if (const Right& right = right_[relay_]; !right.address.empty()) {
    found.remembered = {right.address};
    found.age = now - right.at;
  }
  if (!found.said.empty() || !found.remembered.empty())
    return feed_session(PhaseCompleted{OpeningPhase::resolve, "", std::move(found), ""}, now);
  if (denied) feed_session(SessionFailed{failure(Cause::name_not_found, "resolve")}, now);
}

/// At the first address that takes it.
void Device::connects(TimePoint now) {
  if (conditions_.on(FaultKind::link_down, now))
    return feed_session(SessionFailed{failure(Cause::unreachable, "connect to")}, now);
  if (!has_a_way(now)) return;
  const Conditions& there = relay().conditions();
  bool refused = false;
  for (const std::string& address : order_) {
    if (address != stranger && there.on(FaultKind::relay_vanishes, now)) continue;
    if (address != stranger && there.on(FaultKind::relay_refuses, now)) {
      refused = true;
      continue;
    }
    at_ = address;
    flow_dead_ = address == addresses_of(relay_, relay()).front() && there.on(FaultKind::address_hangs, now);
    return feed_session(PhaseCompleted{OpeningPhase::connect, "", {}, address}, now);
  }
  if (refused) feed_session(SessionFailed{failure(Cause::connection_refused, "connect to")}, now);
}

void Device::fail_before_login(Cause cause, std::string_view operation, Duration cost, TimePoint now) {
  relay().left(cost, now);
  before_login_ = false;
  feed_session(SessionFailed{failure(cause, operation)}, now);
}

void Device::comes_on_session(const Awaited& awaited, TimePoint now) {
  if (flow_dead_) return;
  const auto heard = relay().last_heartbeat(session_);
  if (!relay().lives(session_, now)) {
    if (heard && trouble_ < *heard && conditions_.until(FaultKind::slow) < *heard)
      watch_.breaks(Promise::guard_spares_the_living, "the guard ended a session that lives", clock(now));
    return feed_session(SessionFailed{failure(Cause::connection_lost, "read from")}, now);
  }
  used(now);
  const std::size_t index = awaited.index;
  const Attempt attempt = state_.attempt;
  feed_session(Received{true}, now);
  if (state_.attempt != attempt || session_ == 0) return;
  switch (awaited.answer) {
    case Answer::listen: {
      const std::uint16_t wanted = spec_.remote_forward[index].port;
      const auto bound = relay().listen(session_, wanted, now);
      bound_[index] = bound.value_or(0);
      return feed_session(ForwardAnswered{index, bound}, now);
    }
    case Answer::knock_opens: {
      const auto opened = relay().knock(port(index), awaited.by_name, now);
      if (opened.speaks) wait_for(Answer::knock_speaks, 10ms, now, index);
      return feed_session(Knocked{index, opened.answer, "Name or service not known"}, now);
    }
    case Answer::knock_speaks:
      return feed_session(Knocked{index, KnockAnswer::answered, ""}, now);
    case Answer::identified:
    case Answer::evicted: {
      const bool only = awaited.answer == Answer::identified;
      const auto eviction = relay().evict(number_, port(index), only, now);
      return feed_session(Evicted{index, eviction.outcome, "other", eviction.guard}, now);
    }
    case Answer::proof_opens:
    case Answer::proof_comes_back:
    case Answer::proof_ends:
      return proof_comes(awaited, now);
    case Answer::lease_opens:
      if (!relay().open_lease(session_, std::chrono::seconds{index}, now))
        return feed_session(LeaseLost{"its channel ended"}, now);
      lease_used_at_ = now;
      return feed_session(LeaseOpened{}, now);
    case Answer::echo:
      if (index == 1) relay().heartbeat(session_, now);
      return;
    case Answer::cancelled:
      relay().cancel(session_, port(index));
      return feed_session(ListenerCancelled{index}, now);
    case Answer::closed:
      relay().ended(session_);
      return feed_session(SessionClosed{}, now);
    case Answer::resolved:
    case Answer::connected:
    case Answer::banner:
    case Answer::keys:
    case Answer::login:
    case Answer::looked:
    case Answer::idle:
    case Answer::drained:
      return;
  }
}

void Device::proof_comes(const Awaited& awaited, TimePoint now) {
  const std::size_t index = awaited.index;
  const bool in_use = conditions_.on(FaultKind::visitors, now);
  const auto news = [&](ProofNews what, std::string detail = "") {
    feed_session(ProofAdvanced{index, what, std::move(detail), in_use}, now);
  };
  if (awaited.answer == Answer::proof_opens) {
    switch (relay().knock(port(index), awaited.by_name, now).answer) {
      case KnockAnswer::not_permitted:
        return news(ProofNews::not_permitted);
      case KnockAnswer::not_connected:
        return news(ProofNews::not_connected, "Name or service not known");
      case KnockAnswer::nobody_listens:
        return news(ProofNews::nobody_listens);
      case KnockAnswer::opened:
      case KnockAnswer::answered:
        wait_for(Answer::proof_comes_back, round_trip(now), now, index);
        return news(ProofNews::opened);
    }
  }
  if (awaited.answer == Answer::proof_ends) return news(ProofNews::answered);
  if (relay().conditions().on(FaultKind::path_broken, now))
    return news(random_.chance(0.5) ? ProofNews::stranger : ProofNews::ended);
  if (conditions_.on(FaultKind::target_down, now)) return news(ProofNews::target_failed, "connection refused");
  if (!conditions_.on(FaultKind::target_silent, now)) wait_for(Answer::proof_ends, round_trip(now), now, index);
  news(ProofNews::returned);
}

void Device::looked(std::size_t at, TimePoint now) {
  Relay& better = relays_[at];
  const Conditions& there = better.conditions();
  if (!has_a_way(now) || there.on(FaultKind::relay_vanishes, now) || there.on(FaultKind::relay_frozen, now)) return;
  const std::vector<std::string> addresses = addresses_of(at, better);
  const bool first_hangs = there.on(FaultKind::address_hangs, now);
  if (first_hangs && addresses.size() == 1) return;
  RelayLookedAt look;
  if (there.on(FaultKind::relay_refuses, now))
    look.failure = failure(Cause::connection_refused, "connect to");
  else if (!better.lets_in(now))
    look.failure = failure(Cause::relay_penalty, "read the banner of");
  else {
    look.address = first_hangs ? addresses.back() : addresses.front();
    better.left(1s, now);
  }
  feed_session(std::move(look), now);
}

std::uint16_t Device::port(std::size_t forward) const {
  const std::uint16_t wanted = spec_.remote_forward[forward].port;
  return wanted != 0 ? wanted : bound_[forward];
}

// ---- the runner -------------------------------------------------------------------------------------------------

/// Nothing is heard of it any more. A FIN or RST arrives if there is a way.
void Device::leave(bool politely, TimePoint now) {
  if (before_login_) relay().left(1s, now);
  if (session_ != 0 && !flow_dead_) {
    if (politely && passes(now))
      relay().ended(session_);
    else
      relay().abandoned(session_, now);
  }
  session_ = 0;
  before_login_ = flow_dead_ = false;
  for (Awaited& each : awaited_) each.late = true;
}

void Device::used(TimePoint now) {
  used_at_ = now;
}

void Device::lease_used(TimePoint now) {
  used(now);
  lease_used_at_ = now;
}

// ---- the device -------------------------------------------------------------------------------------------------

void Device::begin(const Fault& fault, TimePoint now) {
  conditions_.begin(fault.kind, now + fault.lasts);
  const bool lasting = fault.kind < FaultKind::relay_refuses || fault.kind > FaultKind::path_broken;
  const bool harmless = fault.kind == FaultKind::visitors || fault.kind == FaultKind::target_down ||
                        fault.kind == FaultKind::target_silent;
  if (!harmless) trouble(lasting ? now + fault.lasts : now);
  if (power_ == Power::off) return;
  if (slept_from_ && fault.kind != FaultKind::power_cut && fault.kind != FaultKind::suspend) {
    if (fault.kind == FaultKind::flow_forgotten || fault.kind == FaultKind::address_changes) loses_flow(now);
    return;
  }
  const bool here = fault.relay == relay_ && session_ != 0;
  switch (fault.kind) {
    case FaultKind::hole:
    case FaultKind::link_down:
      if (session_ != 0 && !flow_dead_) acknowledged_ = now;
      if (fault.kind == FaultKind::link_down) link_up_ = conditions_.until(FaultKind::link_down);
      return;
    case FaultKind::flow_forgotten:
      if (session_ != 0) loses_flow(now);
      return;
    case FaultKind::flow_reset:
      if (session_ != 0 && passes(now)) lose_session(Cause::connection_lost, now);
      return;
    case FaultKind::address_changes:
      loses_flow(now);
      ++address_;
      for (Relay& each : relays_) {
        each.penalty().clear();
        each.conditions().clear(FaultKind::others_penalised);
      }
      return feed(NetworkChanged{true, 0s}, now);
    case FaultKind::relay_refuses:
      if (here && passes(now)) feed_session(SessionFailed{failure(Cause::connection_lost, "read from")}, now);
      return;
    case FaultKind::address_hangs:
      if (here && at_ == addresses_of(relay_, relay()).front()) loses_flow(now);
      return;
    case FaultKind::lease_ends:
      if (!here || !relay().last_heartbeat(session_)) return;
      relay().end_lease(session_);
      if (passes(now)) feed_session(LeaseLost{"its script was killed"}, now);
      return;
    case FaultKind::power_cut:
      return switch_off(now + fault.lasts, now);
    case FaultKind::suspend:
      awake_at_ = conditions_.until(FaultKind::suspend);
      if (!slept_from_) slept_from_ = now;
      return;
    case FaultKind::reload:
      if (power_ == Power::on) power_ = Power::to_reload;
      on_at_ = now;
      return feed(StopRequested{}, now);
    case FaultKind::reconnect:
      return feed(ReconnectRequested{}, now);
    case FaultKind::stop:
    case FaultKind::stop_now:
      power_ = Power::to_start_again;
      on_at_ = now + fault.lasts;
      if (fault.kind == FaultKind::stop_now) return feed(StopNow{}, now);
      return feed(StopRequested{}, now);
    case FaultKind::slow:
    case FaultKind::dns_silent:
    case FaultKind::dns_denies:
    case FaultKind::dns_lies:
    case FaultKind::relay_vanishes:
    case FaultKind::relay_frozen:
    case FaultKind::relay_full:
    case FaultKind::others_penalised:
    case FaultKind::key_refused:
    case FaultKind::host_key_changed:
    case FaultKind::port_answered:
    case FaultKind::port_silent:
    case FaultKind::port_of_twin:
    case FaultKind::listening_forbidden:
    case FaultKind::path_broken:
    case FaultKind::target_down:
    case FaultKind::target_silent:
    case FaultKind::visitors:
      return;
  }
}

void Device::switch_off(TimePoint until, TimePoint now) {
  if (before_login_) relay().left(10s, now);
  if (session_ != 0 && !flow_dead_) relay().abandoned(session_, now);
  session_ = 0;
  before_login_ = flow_dead_ = false;
  parked_.reset();
  if (!dns_cache_) right_.assign(relays_.size(), {});
  awaited_.clear();
  link_up_.reset();
  slept_from_.reset();
  state_ = {};
  power_ = Power::off;
  on_at_ = until;
}

void Device::link_comes_up(TimePoint now) {
  link_up_.reset();
  feed(NetworkChanged{false, random_.between(0s, 40s)}, now);
}

/// The clock of the decisions stood still meanwhile.
void Device::wake(TimePoint now) {
  asleep_ += now - *slept_from_;
  slept_from_.reset();
  trouble(now);
  feed(NetworkChanged{false, 0s}, now);
}

void Device::stop(TimePoint now) {
  if (slept_from_) wake(now);
  if (power_ == Power::off) boot(now);
  power_ = Power::on;
  feed(StopRequested{}, now);
}

void Device::starts_again_if_due(TimePoint now) {
  if (power_ != Power::on && stopped() && now >= on_at_) boot(now);
}

// ---- is what is promised kept? ----------------------------------------------------------------------------------

void Device::check_held(TimePoint now) {
  const bool held = session_ != 0 && relay().lives(session_, now) && relay().held(session_) == bound_.size();
  if (std::exchange(held_, held) && !held) unheld_since_ = now;
  bool left_behind = false;
  const bool well =
      power_ == Power::on && !slept_from_ && !stopped() && now >= trouble_ && a_relay_is_good(now, left_behind);
  if (well && !well_) well_since_ = now;
  well_ = well;
  const LivenessSpec& liveness = spec_.liveness;
  if (held || !well || liveness.server_alive_interval == 0s) return;
  const Duration silence = longest_debt(liveness) + probe_period(liveness);
  Duration allowed = silence + watch_.worst_wait() + ladder + spec_.drain_timeout + 5s + 5 * spec_.connect_timeout;
  if (relays_.size() > 1) allowed += 10min + 5 * spec_.connect_timeout * static_cast<int>(relays_.size());
  if (left_behind) allowed += lease_retry;
  const Duration waited = now - std::max({well_since_, unheld_since_, trouble_});
  if (waited <= allowed) return;
  std::string stands = std::string{phase_name(state_.phase)} + " at relay " + std::to_string(relay_);
  if (const ForwardTable* table = forwards_of(state_.phase)) {
    for (const ForwardProgress& forward : *table) stands += ", " + std::string{to_string(forward.state)};
  }
  watch_.breaks(Promise::held_in_time,
                "not held after " + holdfast::to_text(waited) + ", and nothing is wrong: " + stands +
                    "; the relay holds " + std::to_string(relay().held(session_)) + ", flow " +
                    (flow_dead_ ? "dead" : "alive"),
                clock(now));
}

/// Nothing there would keep the device from holding all of its listeners. `port_is_left_behind`: but for those of a
/// session that it lost, which its lease can evict.
bool Device::a_relay_is_good(TimePoint now, bool& port_is_left_behind) const {
  const auto is_good = [&](Relay& each) {
    const Conditions& there = each.conditions();
    for (const FaultKind kind : {FaultKind::relay_refuses, FaultKind::relay_vanishes, FaultKind::relay_frozen,
                                 FaultKind::relay_full, FaultKind::others_penalised, FaultKind::key_refused,
                                 FaultKind::host_key_changed, FaultKind::listening_forbidden, FaultKind::path_broken}) {
      if (there.on(kind, now)) return false;
    }
    if (there.on(FaultKind::address_hangs, now) && each.config().addresses == 1) return false;
    if (each.penalty().in_force(now)) return false;
    if (each.config().idle_timeout > 0s || each.config().session_timeout > 0s) return false;
    for (const RemoteForward& forward : spec_.remote_forward) {
      if (forward.port == 0) continue;
      if (each.has_stranger(forward.port, now)) return false;
      const auto left = each.left_behind(number_, forward.port, now);
      const bool evicts = left.value_or(false) && spec_.lease && each.config().channel_timeout == 0s;
      // A script that did not answer in time is not tried again on this session (include/holdfast/lease.hpp).
      const bool without_lease = session_ != 0 && &each == &relay() && !each.last_heartbeat(session_);
      if (left && (!evicts || without_lease)) return false;
      port_is_left_behind = port_is_left_behind || left;
    }
    return true;
  };
  // With what it could get it stays where it is.
  if (!spec_.exit_on_forward_failure) return std::all_of(relays_.begin(), relays_.end(), is_good);
  return std::any_of(relays_.begin(), relays_.end(), is_good);
}

}  // namespace holdfast::simulation
