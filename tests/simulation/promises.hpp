#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "holdfast/time.hpp"

/// What the documents promise, and a run holds the tunnel to.
namespace holdfast::simulation {

enum class Promise {
  held_in_time,
  one_session,
  acts_on_what_is_there,
  always_a_deadline,
  waits_by_schedule,
  starts_over,
  attempts_bounded,
  others_untouched,
  stops_in_time,
  folds_its_log,
  notices_silence,
  proves_after_change,
  verifies_in_time,
  guard_spares_the_living,
  request_goes_to_the_preferred,
  stands_by_quietly,
};
std::string_view to_string(Promise promise);
/// Who gave it: "docs/configuration.md, Backoff: ...".
std::string_view given_by(Promise promise);

struct Violation {
  Promise promise{};
  std::string what;
  TimePoint at;  ///< by the device's clock
};

}  // namespace holdfast::simulation
