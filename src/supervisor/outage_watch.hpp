#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "doctor/examination.hpp"
#include "holdfast/outage.hpp"
#include "holdfast/report.hpp"
#include "supervisor/alarm.hpp"
#include "supervisor/equipment.hpp"
#include "supervisor/slot.hpp"

namespace holdfast::supervisor {

/// Looks at what stays down, without a packet; see Outage.
class OutageWatch {
 public:
  /// Both outlive it.
  OutageWatch(Equipment& equipment, const std::vector<Slot>& slots);

  /// Called after a tunnel changed.
  void look();
  std::optional<DiagnosisReport> report(const Slot& slot, TimePoint now) const;

 private:
  /// One tunnel's outage, and the look at it.
  struct Case {
    Outage outage{};
    bool wants_look = false;  ///< and waits for another one's to end
    std::unique_ptr<doctor::Examination> looking{};
  };

  void look_at(const Slot& slot);
  void found(const std::string& tunnel, Findings looked);
  const Slot* find(const std::string& tunnel) const;

  Equipment& equipment_;
  const std::vector<Slot>& slots_;
  std::map<std::string, Case> cases_;  ///< by the tunnel's name
  Alarm alarm_;
};

}  // namespace holdfast::supervisor
