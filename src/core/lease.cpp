#include "holdfast/lease.hpp"

#include <algorithm>
#include <cstdlib>

#include "holdfast/liveness.hpp"

namespace holdfast {
namespace {

constexpr Duration retry = std::chrono::minutes{10};  ///< for a script that ended though its session lives

/// The script gives a silent device up when we would give up a silent relay. At least one heartbeat may be late.
Duration guard_of(const LivenessSpec& liveness) {
  return std::max(longest_debt(liveness), probe_period(liveness) + liveness.server_alive_interval);
}

/// Beside such a request nothing else may be asked of the relay: see Listeners::next().
bool port_awaited(const ForwardTable& forwards, const TunnelSpec& spec) {
  for (std::size_t index = 0; index < forwards.size(); ++index) {
    const ForwardState state = forwards[index].state;
    const bool asked = state == ForwardState::pending || state == ForwardState::requested;
    if (asked && spec.remote_forward[index].port == 0) return true;
  }
  return false;
}

}  // namespace

std::vector<LeaseAction> LeaseChannel::update(const ForwardTable& forwards, const LeaseContext& context) {
  switch (state_) {
    case State::absent:
      if (!context.spec.lease || port_awaited(forwards, context.spec)) return {};
      return open(context);
    case State::ready:
      return record(forwards);
    case State::opening:
    case State::lost:
      return {};
  }
  std::abort();
}

void LeaseChannel::opened(const LeaseContext& context) {
  state_ = State::ready;
  recorded_.clear();
  schedule_beat(context);
}

std::vector<LeaseAction> LeaseChannel::lost(const std::string& reason, const LeaseContext& context) {
  due_ = ready() ? std::optional{context.now + retry} : std::nullopt;
  state_ = State::lost;
  return {Announce{LogLevel::verbose, "no lease on the relay: " + reason}};
}

std::vector<LeaseAction> LeaseChannel::beat(const LeaseContext& context) {
  if (!ready() || !due_ || context.now < *due_) return {};
  schedule_beat(context);
  return {SendHeartbeat{}};
}

std::vector<LeaseAction> LeaseChannel::expired(const LeaseContext& context) {
  if (is_lost()) return open(context);
  std::vector<LeaseAction> actions{EndLease{}};
  for (const LeaseAction& action : lost("its script does not answer", context)) actions.push_back(action);
  return actions;
}

void LeaseChannel::open_no_more() {
  if (!ready()) due_.reset();
}

bool LeaseChannel::has_just_beaten(const LeaseContext& context) const {
  const LivenessSpec& liveness = context.spec.liveness;
  return ready() && due_ && *due_ - context.now > probe_period(liveness) - liveness.server_alive_interval / 2;
}

std::vector<LeaseAction> LeaseChannel::open(const LeaseContext& context) {
  state_ = State::opening;
  due_ = context.now + context.spec.connect_timeout;
  return {OpenLease{guard_of(context.spec.liveness)}};
}

std::vector<LeaseAction> LeaseChannel::record(const ForwardTable& forwards) {
  recorded_.resize(forwards.size());
  std::vector<LeaseAction> actions;
  for (std::size_t index = 0; index < forwards.size(); ++index) {
    if (forwards[index].state != ForwardState::held || recorded_[index]) continue;
    recorded_[index] = true;
    actions.emplace_back(RecordLease{index});
  }
  return actions;
}

void LeaseChannel::schedule_beat(const LeaseContext& context) {
  due_.reset();
  const LivenessSpec& liveness = context.spec.liveness;
  if (liveness.server_alive_interval > Duration::zero()) due_ = context.now + probe_period(liveness);
}

}  // namespace holdfast
