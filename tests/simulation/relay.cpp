#include "simulation/relay.hpp"

#include <algorithm>

namespace holdfast::simulation {

using namespace std::chrono_literals;

void Penalty::add(Duration cost, TimePoint now) {
  if (now >= until_) {
    until_ = now;
    in_force_ = false;
  }
  until_ = std::min(until_ + cost, now + 10min);
  if (until_ - now > 15s) in_force_ = true;
}

bool Relay::lets_in(TimePoint now) {
  const bool penalised = conditions_.on(FaultKind::others_penalised, now) || penalty_.in_force(now);
  if ((config_.penalties && penalised) || conditions_.on(FaultKind::relay_full, now)) return false;
  if (startups_ >= config_.max_startups) return false;
  ++startups_;
  return true;
}

void Relay::left(Duration cost, TimePoint now) {
  if (startups_ > 0) --startups_;
  if (config_.penalties) penalty_.add(cost, now);
}

SessionNumber Relay::logged_in(DeviceNumber device, TimePoint now) {
  if (startups_ > 0) --startups_;
  sessions_.push_back({++last_session_, device, std::nullopt, Duration::zero(), now, false});
  return last_session_;
}

void Relay::abandoned(SessionNumber session, TimePoint now) {
  Session* found = find(session);
  if (found == nullptr) return;
  found->ends = now + config_.forgets_after;
}

void Relay::ended(SessionNumber session) {
  std::erase_if(sessions_, [&](const Session& each) { return each.number == session; });
  std::erase_if(listeners_, [&](const Listener& each) { return each.session == session; });
}

void Relay::all_ended() {
  sessions_.clear();
  listeners_.clear();
  startups_ = 0;
}

bool Relay::lives(SessionNumber session, TimePoint now) {
  expire(now);
  return find(session) != nullptr;
}

std::size_t Relay::held(SessionNumber session) const {
  return static_cast<std::size_t>(std::count_if(listeners_.begin(), listeners_.end(),
                                                [&](const Listener& each) { return each.session == session; }));
}

std::optional<std::uint16_t> Relay::listen(SessionNumber session, std::uint16_t port, TimePoint now) {
  expire(now);
  if (conditions_.on(FaultKind::listening_forbidden, now)) return std::nullopt;
  if (port == 0) {
    port = 40000;
    while (listener(port) != nullptr || has_stranger(port, now)) ++port;
  }
  if (listener(port) != nullptr || has_stranger(port, now)) return std::nullopt;
  listeners_.push_back({port, session, false});
  return port;
}

void Relay::cancel(SessionNumber session, std::uint16_t port) {
  std::erase_if(listeners_, [&](const Listener& each) { return each.session == session && each.port == port; });
}

Relay::Opened Relay::knock(std::uint16_t port, bool by_name, TimePoint now) {
  expire(now);
  if (!config_.knocks) return {KnockAnswer::not_permitted, false};
  if (by_name && !config_.knows_localhost) return {KnockAnswer::not_connected, false};
  for (const Stranger& stranger : strangers_) {
    if (stranger.port == port && has_stranger(port, now)) return {KnockAnswer::opened, stranger.speaks};
  }
  const Listener* found = listener(port);
  if (found == nullptr) return {KnockAnswer::nobody_listens, false};
  return {KnockAnswer::opened, !find(found->session)->ends};
}

std::optional<bool> Relay::left_behind(DeviceNumber device, std::uint16_t port, TimePoint now) {
  expire(now);
  const Listener* found = listener(port);
  if (found == nullptr) return std::nullopt;
  const Session& holder = *find(found->session);
  if (holder.device != device || !holder.ends) return std::nullopt;
  return config_.lease == LeaseKind::full && found->recorded;
}

bool Relay::open_lease(SessionNumber session, Duration guard, TimePoint now) {
  Session* found = find(session);
  if (found == nullptr || config_.lease == LeaseKind::none) return false;
  found->leased = true;
  found->guard = guard;
  found->heard = now;
  return true;
}

void Relay::end_lease(SessionNumber session) {
  Session* found = find(session);
  if (found == nullptr) return;
  found->leased = false;
  found->guard = Duration::zero();
  for (Listener& each : listeners_) {
    if (each.session == session) each.recorded = false;
  }
}

void Relay::heartbeat(SessionNumber session, TimePoint now) {
  if (Session* found = find(session)) found->heard = now;
}

std::optional<TimePoint> Relay::last_heartbeat(SessionNumber session) const {
  for (const Session& each : sessions_) {
    if (each.number == session && each.leased) return each.heard;
  }
  return std::nullopt;
}

void Relay::record(SessionNumber session, std::uint16_t port) {
  const bool can = config_.lease == LeaseKind::full || config_.lease == LeaseKind::no_eviction;
  Listener* found = listener(port);
  if (can && found != nullptr && found->session == session) found->recorded = true;
}

Relay::Eviction Relay::evict(DeviceNumber device, std::uint16_t port, bool only_identify, TimePoint now) {
  expire(now);
  const bool records = config_.lease == LeaseKind::full || config_.lease == LeaseKind::no_eviction;
  for (const Stranger& stranger : strangers_) {
    if (stranger.port == port && stranger.twin && records && has_stranger(port, now)) return {EvictOutcome::twin, 4min};
  }
  const Listener* found = listener(port);
  if (found == nullptr || !found->recorded) return {EvictOutcome::not_ours};
  const SessionNumber holder = found->session;
  // As docs/relay.md has it for `who`: any device's.
  if (only_identify || find(holder)->device != device) return {EvictOutcome::other_device, find(holder)->guard};
  if (config_.lease != LeaseKind::full) return {EvictOutcome::failed};
  ended(holder);
  return {EvictOutcome::freed};
}

void Relay::begin(const Fault& fault, std::uint16_t port, TimePoint now) {
  conditions_.begin(fault.kind, now + fault.lasts);
  const bool twin = fault.kind == FaultKind::port_of_twin;
  const bool speaks = twin || fault.kind == FaultKind::port_answered;
  if (speaks || fault.kind == FaultKind::port_silent) {
    strangers_.push_back({port, now + fault.lasts, speaks, twin});
  }
  if (fault.kind == FaultKind::relay_refuses || fault.kind == FaultKind::relay_vanishes) all_ended();
}

/// Who waits for the port gets it when our session ends.
bool Relay::has_stranger(std::uint16_t port, TimePoint now) const {
  const auto holds = [&](const Listener& each) { return each.port == port; };
  if (std::any_of(listeners_.begin(), listeners_.end(), holds)) return false;
  return std::any_of(strangers_.begin(), strangers_.end(),
                     [&](const Stranger& each) { return each.port == port && now < each.until; });
}

Relay::Session* Relay::find(SessionNumber session) {
  const auto found =
      std::find_if(sessions_.begin(), sessions_.end(), [&](const Session& each) { return each.number == session; });
  return found == sessions_.end() ? nullptr : &*found;
}

Relay::Listener* Relay::listener(std::uint16_t port) {
  const auto found =
      std::find_if(listeners_.begin(), listeners_.end(), [&](const Listener& each) { return each.port == port; });
  return found == listeners_.end() ? nullptr : &*found;
}

/// Ends whom sshd would have ended by now: looked at when somebody asks.
void Relay::expire(TimePoint now) {
  std::erase_if(strangers_, [&](const Stranger& each) { return now >= each.until; });
  for (std::size_t index = sessions_.size(); index-- > 0;) {
    const Session& each = sessions_[index];
    const bool guarded = each.leased && each.guard > Duration::zero();
    if ((each.ends && now >= *each.ends) || (guarded && now > each.heard + each.guard)) ended(each.number);
  }
}

}  // namespace holdfast::simulation
