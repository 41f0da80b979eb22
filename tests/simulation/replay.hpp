#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "record/recording.hpp"
#include "simulation/device.hpp"

namespace holdfast::simulation {

/// Where this core decides otherwise than the one that was recorded.
struct Difference {
  std::size_t line = 0;  ///< of the recording
  std::string recorded, now;
};

struct Replayed {
  std::vector<Fed> fed;  ///< until then
  std::optional<Difference> differs;
  std::optional<Violation> broken;
};

/// Feeds a tunnel's steps to step(), until it decides otherwise or breaks a promise that events and actions alone can
/// break: behind either, the events are answers to something else.
Replayed replay(const record::RecordedTunnel& tunnel);

}  // namespace holdfast::simulation
