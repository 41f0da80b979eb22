#include "core/diagnosis/judges.hpp"

namespace holdfast::diagnosis {

Judgement judge(const DeviceFindings& found) {
  if (found.at_least && found.clock < *found.at_least)
    return blame(Cause::clock_wrong, "the clock is before this program was built");
  for (const DeviceFindings::Place& place : found.places) {
    if (place.read_only) return blame(Cause::disk_read_only, place.path);
    if (place.error.empty() && (place.free_bytes == 0 || place.free_files == 0))
      return blame(Cause::disk_full, place.path);
  }
  if (found.under_voltage.value_or(false)) return blame(Cause::under_voltage, "the voltage is too low now");
  if (found.memory_total == 0) return pass(Layer::device, "nothing is wrong with what can be seen of it");
  return pass(Layer::device, std::to_string(found.memory_available / 1024 / 1024) + " MB of memory free");
}

}  // namespace holdfast::diagnosis
