#include "supervisor/outage_watch.hpp"

#include <algorithm>
#include <utility>

#include "holdfast/running.hpp"
#include "log/log.hpp"

namespace holdfast::supervisor {

OutageWatch::OutageWatch(Equipment& equipment, const std::vector<Slot>& slots)
    : equipment_(equipment), slots_(slots), alarm_(equipment.executor(), [this] { look(); }) {}

void OutageWatch::look() {
  std::erase_if(cases_, [this](const auto& known) { return find(known.first) == nullptr; });
  const TimePoint now = Clock::now();
  std::optional<TimePoint> due;
  for (const Slot& slot : slots_) {
    Case& known = cases_[slot.name()];
    const TunnelRunner& runner = slot.runner();
    if (known.outage.step(runner.up() || slot.leaving(), runner.last_cause(), now)) known.wants_look = true;
    const auto next = known.outage.due();
    known.wants_look = known.wants_look && next;
    due = earlier(due, next);
  }
  alarm_.set(due);
  // One after the other: all tunnels are down at once where the network is.
  const auto is_looking = [](const auto& known) { return known.second.looking != nullptr; };
  if (std::any_of(cases_.begin(), cases_.end(), is_looking)) return;
  const auto wanting =
      std::find_if(slots_.begin(), slots_.end(), [this](const Slot& slot) { return cases_[slot.name()].wants_look; });
  if (wanting != slots_.end()) look_at(*wanting);
}

std::optional<DiagnosisReport> OutageWatch::report(const Slot& slot, TimePoint now) const {
  const auto known = cases_.find(slot.name());
  return known == cases_.end() ? std::nullopt : known->second.outage.report(now);
}

void OutageWatch::look_at(const Slot& slot) {
  Case& known = cases_[slot.name()];
  known.wants_look = false;
  doctor::Patient patient = equipment_.patient(slot.spec(), slot.runner().report(Clock::now()));
  patient.silent = slot.runner().last_address();
  const auto looked = std::make_shared<Findings>();
  known.looking = std::make_unique<doctor::Examination>(
      std::move(patient),
      [looked](Layer layer, Finding finding) { looked->insert_or_assign(layer, std::move(finding)); },
      [this, looked, tunnel = slot.name()] { found(tunnel, std::move(*looked)); });
}

void OutageWatch::found(const std::string& tunnel, Findings looked) {
  const Slot* slot = find(tunnel);
  if (slot == nullptr) return;
  Case& known = cases_[tunnel];
  const TimePoint now = Clock::now();
  const TunnelReport report = slot->runner().report(now);
  looked.erase(Layer::name);  // nobody was asked
  const Diagnosis diagnosis = diagnose(with_what_is_known(std::move(looked), slot->spec(), report));
  if (const auto line = known.outage.found(diagnosis, now)) {
    log::write(LogLevel::error, *line,
               {report.name, report.relay, to_string(report.phase.kind), known.outage.report(now)->cause},
               slot->spec().log_level);
  }
  known.looking.reset();  // the look itself told us: nothing of it is used from here on
  look();
}

const Slot* OutageWatch::find(const std::string& tunnel) const {
  const auto found =
      std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.name() == tunnel; });
  return found == slots_.end() ? nullptr : &*found;
}

}  // namespace holdfast::supervisor
