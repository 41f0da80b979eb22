#include "holdfast/liveness.hpp"

#include <algorithm>

namespace holdfast {

Duration longest_silence(const LivenessSpec& spec) {
  return spec.server_alive_interval * (spec.server_alive_count_max + 1);
}

Duration probe_period(const LivenessSpec& spec) {
  return spec.server_alive_interval * std::max(spec.intervals_per_probe, 1U);
}

Duration longest_debt(const LivenessSpec& spec) {
  return probe_period(spec) + spec.server_alive_interval * spec.server_alive_count_max;
}

Liveness::Liveness(const LivenessSpec& spec, TimePoint now)
    : spec_(spec), next_(now + probe_period(spec)), last_sign_(now), began_(now), last_byte_(now) {}

void Liveness::received_bytes(TimePoint now) {
  next_ = now + probe_period(spec_);
  last_sign_ = now;
  longest_silence_ = std::max(longest_silence_, now - last_byte_);
  last_byte_ = now;
}

void Liveness::received_packet() {
  unanswered_ = 0;
}

void Liveness::acknowledged(TimePoint at) {
  last_sign_ = std::max(last_sign_, at);
}

Liveness::Outcome Liveness::expired(TimePoint now) {
  if (!due() || now < *due()) return Outcome::alive;
  if (spec_.economy() && now >= last_sign_ + longest_silence(spec_)) return Outcome::unreachable;
  if (now < next_) return Outcome::alive;
  if (++unanswered_ > spec_.server_alive_count_max) return Outcome::dead;
  next_ = now + spec_.server_alive_interval;
  return Outcome::send_probe;
}

std::optional<TimePoint> Liveness::due() const {
  if (spec_.server_alive_interval == Duration::zero()) return std::nullopt;
  return spec_.economy() ? std::min(next_, last_sign_ + longest_silence(spec_)) : next_;
}

}  // namespace holdfast
