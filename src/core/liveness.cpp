#include "holdfast/liveness.hpp"

namespace holdfast {

Liveness::Liveness(const LivenessSpec& spec, TimePoint now) : spec_(spec), next_(now + spec.server_alive_interval) {}

void Liveness::received_bytes(TimePoint now) {
  next_ = now + spec_.server_alive_interval;
}

void Liveness::received_packet() {
  unanswered_ = 0;
}

Liveness::Verdict Liveness::expired(TimePoint now) {
  if (!next_deadline() || now < next_) return Verdict::alive;
  if (++unanswered_ > spec_.server_alive_count_max) return Verdict::dead;
  next_ = now + spec_.server_alive_interval;
  return Verdict::send_probe;
}

std::optional<TimePoint> Liveness::next_deadline() const {
  if (spec_.server_alive_interval == Duration::zero()) return std::nullopt;
  return next_;
}

}  // namespace holdfast
