#pragma once

#include <string>
#include <vector>

#include "holdfast/config.hpp"

namespace holdfast {

/// What a reload does to the running tunnels. A tunnel whose configuration is unchanged is in no list: it is not
/// touched. Names, in the new file's order (removed ones in that of the running tunnels).
struct ReloadPlan {
  std::vector<std::string> added;
  std::vector<std::string> changed;
  std::vector<std::string> removed;
  std::vector<std::string> needs_restart;  ///< settings that a running process can't change, by key

  friend bool operator==(const ReloadPlan&, const ReloadPlan&) = default;
};

ReloadPlan plan_reload(const Config& running, const Config& next);

/// Those settings beside the tunnels that a running process can change.
void take_settings(Config& running, const Config& next);

}  // namespace holdfast
