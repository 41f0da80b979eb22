#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "holdfast/time.hpp"

/// What a tunnel costs whoever pays for its bytes: by the calendar (UTC), and by the hour while nobody uses it.
namespace holdfast {

struct DataUsage {
  std::chrono::sys_days day{};  ///< 1970-01-01: no day is known yet
  std::uint64_t today = 0;
  std::uint64_t month = 0;    ///< of the month that `day` is in, `today` included
  std::uint64_t undated = 0;  ///< counted while the clock was not set; belongs to the day on which it is

  /// Adds what passed until `now`, which may jump: a clock before 2020 is one that was not set yet. A day that is over
  /// starts anew. So does one that turns out to lie ahead of the clock by more than a day; by less, it was a correction
  /// of the clock, and changes nothing.
  void count(std::uint64_t bytes, std::chrono::sys_seconds now);

  friend bool operator==(const DataUsage&, const DataUsage&) = default;
};

/// What a kernel's counter grew by. One that fell (it can't be read, or began anew) is no growth.
constexpr std::uint64_t growth(std::uint64_t before, std::uint64_t now) {
  return now > before ? now - before : 0;
}

/// By the tunnel's name.
using DataUsages = std::map<std::string, DataUsage, std::less<>>;

/// Forgets the tunnels that are not among `configured`, once the month that they were counted in is over.
void forget_others(DataUsages& usages, const std::set<std::string>& configured, std::chrono::sys_seconds now);

/// Takes over what another file knows of these tunnels where it counted on for longer.
void take_later(DataUsages& usages, const DataUsages& other);

/// The file: a first line that names the format, then "NAME DAYS_SINCE_1970 TODAY MONTH UNDATED" for each tunnel.
std::string format_usages(const DataUsages& usages);
/// None if anything in it is not as it should be.
std::optional<DataUsages> parse_usages(std::string_view text);

/// Bytes an hour over the time since somebody last used the tunnel or it got a new session.
class IdleCost {
 public:
  /// `bytes` should only grow; if it did not, the time starts anew. `activity` is another one when the tunnel was used
  /// in between, and `idle` says that it is not being used right now.
  void sample(TimePoint now, std::uint64_t bytes, std::uint64_t activity, bool idle);
  /// None before there was an hour of it; after that the last figure.
  std::optional<std::uint64_t> bytes_per_hour() const { return per_hour_; }

 private:
  struct Sample {
    TimePoint at;
    std::uint64_t bytes = 0;
    std::uint64_t activity = 0;
  };
  std::optional<Sample> since_;
  std::optional<std::uint64_t> per_hour_;
};

/// The whole month's bytes, if the rest of it is idle.
std::uint64_t projected_month(const DataUsage& usage, std::uint64_t idle_bytes_per_hour, std::chrono::sys_seconds now);

}  // namespace holdfast
