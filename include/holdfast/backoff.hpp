#pragma once

#include <functional>

#include "holdfast/cause.hpp"
#include "holdfast/time.hpp"

namespace holdfast {

/// Draws from [0, 1). An argument wherever chance decides, so that tests are exact.
using UnitRandom = std::function<double()>;

/// `first`, doubled so many times, at most `longest`, which may be any: nothing overflows.
Duration doubled(Duration first, unsigned times, Duration longest);

/// Exponential backoff with full jitter: the n-th wait is uniform in [0, min(cap, first * 2^n)).
struct BackoffSchedule {
  Duration first{};
  Duration cap{};

  friend bool operator==(const BackoffSchedule&, const BackoffSchedule&) = default;
};

/// One schedule for each family of causes. A fleet behind one carrier address that knocks with a refused
/// key every second gets that address banned; a radio that lost its cell wants to be back at once. A ban of sshd's
/// lasts 15 s at least, so that nothing is tried sooner.
struct BackoffSpec {
  BackoffSchedule network{std::chrono::seconds{1}, std::chrono::seconds{60}};
  BackoffSchedule listener{std::chrono::seconds{2}, std::chrono::seconds{60}};
  BackoffSchedule refused{std::chrono::minutes{1}, std::chrono::minutes{15}};
  BackoffSchedule penalty{std::chrono::seconds{15}, std::chrono::minutes{2}};  ///< each wait is longer by `first`
  Duration reset_after = std::chrono::seconds{60};  ///< a tunnel that held this long starts over

  friend bool operator==(const BackoffSpec&, const BackoffSpec&) = default;
};

/// How often in a row each family failed: the state beside the policy.
class Backoff {
 public:
  /// The wait after one more failure of this cause. While an outage of the network is young (`outage`: how long it has
  /// lasted), the wait is at most an eighth of it, so that what just went comes back soon.
  Duration next_wait(const BackoffSpec& spec, Cause cause, Duration outage, const UnitRandom& jitter);
  void reset();

  friend bool operator==(const Backoff&, const Backoff&) = default;

 private:
  unsigned network_ = 0;
  unsigned listener_ = 0;
  unsigned refused_ = 0;
  unsigned penalty_ = 0;
};

}  // namespace holdfast
