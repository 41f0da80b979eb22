#include "core/diagnosis/judges.hpp"

namespace holdfast::diagnosis {

Judgement judge(const ModemFindings& found) {
  for (const ModemFindings::Device& device : found.devices) {
    if (device.interfaces.empty()) return blame(Cause::modem_no_interface, device.name);
  }
  return pass(Layer::modem, found.devices.empty() ? "there is none" : found.devices.front().name);
}

}  // namespace holdfast::diagnosis
