#pragma once

#include <optional>
#include <string>

#include "holdfast/diagnosis.hpp"
#include "holdfast/report.hpp"
#include "holdfast/time.hpp"

namespace holdfast {

/// When a tunnel that stays down is looked at, and what is said of it then. A look costs no packet, but it wakes the
/// device. The first comes when the outage is a minute old, the next when the last error is of another cause, but not
/// within five minutes, or after half an hour.
class Outage {
 public:
  /// Called when the tunnel has changed, and at due(). True: it has to be looked at now; found() is told of that.
  bool step(bool is_up, const std::optional<Cause>& last_error, TimePoint now);
  /// Takes what the last look found. Returns the sentence for the log, if it is another than was said of this outage
  /// before; what ends by itself is said later (CauseFacts::said_after).
  std::optional<std::string> found(const Diagnosis& diagnosis, TimePoint now);

  /// When step() has to be called at the latest; none while the tunnel is up.
  std::optional<TimePoint> due() const;
  /// What is said of the outage.
  std::optional<DiagnosisReport> report(TimePoint now) const;

  friend bool operator==(const Outage&, const Outage&) = default;

 private:
  struct Said {
    Judgement judgement;
    std::string sentence;
    TimePoint at;

    friend bool operator==(const Said&, const Said&) = default;
  };

  std::optional<TimePoint> since_;  ///< none: it is up
  TimePoint next_look_;
  std::optional<TimePoint> looked_at_;
  std::optional<Cause> looked_after_;  ///< the last error then
  std::optional<Said> said_;
};

}  // namespace holdfast
