#include "holdfast/backoff.hpp"

#include <algorithm>
#include <cstdlib>

namespace holdfast {

Duration doubled(Duration first, unsigned times, Duration longest) {
  Duration wait = std::min(first, longest);
  for (unsigned n = 0; n < times && wait < longest; ++n) wait = wait > longest / 2 ? longest : wait * 2;
  return wait;
}

Duration Backoff::next_wait(const BackoffSpec& spec, Cause cause, Duration outage, const UnitRandom& jitter) {
  const auto draw = [&](const BackoffSchedule& schedule, unsigned& failures) {
    Duration limit = doubled(schedule.first, failures, schedule.cap);
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
