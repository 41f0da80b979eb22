#pragma once

#include <optional>

#include "holdfast/time.hpp"

namespace holdfast {

struct LivenessSpec {
  Duration server_alive_interval{};  ///< zero turns it off
  unsigned server_alive_count_max = 3;

  friend bool operator==(const LivenessSpec&, const LivenessSpec&) = default;
};

/// OpenSSH's client rule (clientloop.c, server_alive_check): any byte received re-arms the timer, any whole
/// packet clears the count; each expiry counts one and sends a probe, and the expiry that makes the count exceed
/// server_alive_count_max declares the relay dead. 60 s x 3 is thus 240 s after the last packet.
class Liveness {
 public:
  enum class Verdict { alive, send_probe, dead };

  Liveness(const LivenessSpec& spec, TimePoint now);

  void received_bytes(TimePoint now);
  void received_packet();
  /// Call at next_deadline() or later.
  Verdict expired(TimePoint now);
  std::optional<TimePoint> next_deadline() const;
  unsigned unanswered() const { return unanswered_; }

  friend bool operator==(const Liveness&, const Liveness&) = default;

 private:
  LivenessSpec spec_;
  TimePoint next_;
  unsigned unanswered_ = 0;
};

}  // namespace holdfast
