#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "holdfast/data_usage.hpp"

namespace holdfast::supervisor {

/// What each tunnel cost, over restarts: in memory, and in a file that is written at most once an hour (flash wears
/// out), and at the end. A crash or a power cut forgets up to an hour.
class UsageBook {
 public:
  using Say = std::function<void(const std::string& line)>;

  /// Reads the file, if there is one; `say` is told, at once, if it is not to be used.
  UsageBook(std::string path, const Say& say);

  void count(const std::string& tunnel, std::uint64_t bytes, std::chrono::sys_seconds now);
  /// See holdfast::forget_others().
  void forget_others(const std::set<std::string>& configured, std::chrono::sys_seconds now);
  /// All zero for one that is not known.
  DataUsage find(const std::string& tunnel) const;
  /// Writes the file if it is time to, or `at_once`; a line for the log when that fails for the first time in a row.
  std::optional<std::string> save(TimePoint now, bool at_once = false);

 private:
  std::string path_;
  DataUsages usages_;
  DataUsages written_;
  std::optional<TimePoint> tried_;
  bool failing_ = false;
};

}  // namespace holdfast::supervisor
