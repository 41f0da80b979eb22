#include "holdfast/lease.hpp"

#include <algorithm>
#include <cstdlib>

#include "holdfast/timeouts.hpp"

namespace holdfast {
namespace {

/// For a script that ended though its session lives.
constexpr Duration first_retry = std::chrono::seconds{10};
constexpr Duration longest_retry = std::chrono::minutes{10};

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

std::vector<LeaseAction> LeaseChannel::update(const ForwardTable& forwards, const Turn& turn) {
  switch (state_) {
    case State::absent:
      if (!turn.spec.lease || port_awaited(forwards, turn.spec)) return {};
      return open(turn);
    case State::ready:
      return record(forwards, turn);
    case State::opening:
    case State::lost:
      return {};
  }
  std::abort();
}

void LeaseChannel::opened(const Turn& turn) {
  state_ = State::ready;
  last_used_ = turn.now;
  recorded_.clear();
  schedule_beat(turn);
}

std::vector<LeaseAction> LeaseChannel::lost(const std::string& reason, const Turn& turn) {
  const bool worked = ready();
  state_ = State::lost;
  problem_ = reason;
  due_.reset();
  if (!worked) return {Happened{LeaseUnavailable{problem_}}};

  const Duration silence = turn.now - last_used_;
  const bool again = closed_after_ && alike(*closed_after_, silence);
  closed_after_ = silence;
  problem_ += " after " + to_text(silence) + " of silence";
  Duration wait = doubled(first_retry, losses_++, longest_retry);
  if (again) {
    timeout_ = silence;
    problem_ += " again: ChannelTimeout in the relay's sshd_config, most likely; set server_alive_interval below it";
    if (const LivenessSpec more = probing_within(liveness_, silence); more != liveness_) {
      liveness_ = more;
      problem_ += ", or let a heartbeat every " + to_text(probe_period(more)) + " do";
      wait = Duration::zero();
    }
  }
  due_ = turn.now + wait;
  return {Happened{LeaseUnavailable{problem_, wait}}};
}

std::vector<LeaseAction> LeaseChannel::expired(const Turn& turn) {
  if (!due_ || turn.now < *due_) return {};
  if (ready()) return beat(turn);
  if (is_lost()) return open(turn);
  std::vector<LeaseAction> actions{EndLease{}};
  for (const LeaseAction& action : lost("its script does not answer", turn)) actions.push_back(action);
  return actions;
}

std::vector<LeaseAction> LeaseChannel::beat(const Turn& turn) {
  last_used_ = turn.now;
  schedule_beat(turn);
  return {SendHeartbeat{}};
}

void LeaseChannel::open_no_more() {
  if (!ready()) due_.reset();
}

bool LeaseChannel::has_just_beaten(TimePoint now) const {
  return ready() && due_ && *due_ - now > probe_period(liveness_) - liveness_.server_alive_interval / 2;
}

std::vector<LeaseAction> LeaseChannel::open(const Turn& turn) {
  state_ = State::opening;
  problem_.clear();
  due_ = turn.now + turn.spec.connect_timeout;
  return {OpenLease{guard_of(liveness_)}};
}

std::vector<LeaseAction> LeaseChannel::record(const ForwardTable& forwards, const Turn& turn) {
  recorded_.resize(forwards.size());
  std::vector<LeaseAction> actions;
  for (std::size_t index = 0; index < forwards.size(); ++index) {
    if (forwards[index].state != ForwardState::held || recorded_[index]) continue;
    recorded_[index] = true;
    last_used_ = turn.now;
    actions.emplace_back(RecordLease{index});
  }
  return actions;
}

void LeaseChannel::schedule_beat(const Turn& turn) {
  due_.reset();
  if (liveness_.server_alive_interval > Duration::zero()) due_ = turn.now + probe_period(liveness_);
}

}  // namespace holdfast
