#include "doctor/patient.hpp"

namespace holdfast::doctor {

Look look_at_modem(const Patient& patient, Then then) {
  return at_once(patient.executor, [then = std::move(then)] { then(ModemFindings{}); });
}

}  // namespace holdfast::doctor
