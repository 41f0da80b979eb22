#include "holdfast/backoff.hpp"

#include <algorithm>
#include <cstdlib>

namespace holdfast {
namespace {

/// first * 2^failures, at most cap; `first` may be anything up to cap without overflow.
Duration ceiling(const BackoffSchedule& schedule, unsigned failures) {
  Duration wait = std::min(schedule.first, schedule.cap);
  for (unsigned n = 0; n < failures && wait < schedule.cap; ++n) {
    wait = wait > schedule.cap / 2 ? schedule.cap : wait * 2;
  }
  return wait;
}

}  // namespace

Duration Backoff::next_wait(const BackoffSpec& spec, Cause cause, Duration outage, const UnitRandom& jitter) {
  const auto draw = [&](const BackoffSchedule& schedule, unsigned& failures) {
    Duration limit = ceiling(schedule, failures);
    if (&failures == &network_) limit = std::min(limit, std::max(schedule.first, outage / 8));
    ++failures;
    return std::chrono::duration_cast<Duration>(limit * jitter());
  };
  switch (facts_of(cause).family) {
    case BackoffFamily::network:
      return draw(spec.network, network_);
    case BackoffFamily::listener:
      return draw(spec.listener, listener_);
    case BackoffFamily::refused:
      return draw(spec.refused, refused_);
    case BackoffFamily::penalty:
      return spec.penalty.first + draw(spec.penalty, penalty_);
  }
  std::abort();
}

void Backoff::reset() {
  *this = {};
}

}  // namespace holdfast
