#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "holdfast/data_usage.hpp"

namespace holdfast::supervisor {

/// What each tunnel cost, over restarts: in memory, and in a file that is written at most once an hour (flash wears
/// out), and at the end. A crash or a power cut forgets up to an hour.
class UsageBook {
 public:
  using Say = std::function<void(const std::string& line)>;

  /// Reads the file, if there is one, and takes over what `others` counted on for longer; `say` is told, at once, of
  /// what is not to be used.
  UsageBook(std::string path, const std::vector<std::string>& others, const Say& say);

  void count(const std::string& tunnel, std::uint64_t bytes, std::chrono::sys_seconds now);
  /// See holdfast::forget_others().
  void forget_others(const std::set<std::string>& configured, std::chrono::sys_seconds now);
  /// All zero for one that is not known.
  DataUsage find(const std::string& tunnel) const;
  const std::string& path() const { return path_; }
  /// What to write to the file, if it is time to, or `at_once`. It counts as being written until written() says how
  /// that went.
  std::optional<std::string> due(TimePoint now, bool at_once = false);
  /// 0 or an errno; a line for the log when it failed for the first time in a row.
  std::optional<std::string> written(int error);

 private:
  std::string path_;
  DataUsages usages_;
  DataUsages written_;
  std::optional<DataUsages> writing_;
  std::optional<TimePoint> tried_;
  bool failing_ = false;
};

}  // namespace holdfast::supervisor
