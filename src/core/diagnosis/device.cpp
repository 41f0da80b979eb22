#include <algorithm>
#include <cstdlib>
#include <limits>

#include "core/diagnosis/judges.hpp"

namespace holdfast::diagnosis {
namespace {

/// The first of 2020: no device that runs this is older.
constexpr std::int64_t first_of_2020 = 1577836800;
/// What the two clocks may differ by before it is worth a word: certificates are given for longer.
constexpr std::int64_t tolerated_seconds = 300;
/// A file system with fewer bytes free is as good as full.
constexpr std::uint64_t fewest_bytes = 65536;
/// How many descriptors must be free, for a look takes some by itself.
constexpr std::uint64_t fewest_descriptors = 4;

std::string megabytes(std::uint64_t bytes) {
  return std::to_string(bytes / 1024 / 1024) + " MB";
}

/// "2026-02-28": as std::chrono has no words for it yet (g++ 12).
std::string date(std::int64_t time) {
  const std::chrono::year_month_day day{
      std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds{std::chrono::seconds{time}})};
  const auto two = [](unsigned number) { return (number < 10 ? "-0" : "-") + std::to_string(number); };
  return std::to_string(static_cast<int>(day.year())) + two(static_cast<unsigned>(day.month())) +
         two(static_cast<unsigned>(day.day()));
}

/// "12 min", "3 h", "20 days"
std::string span(std::int64_t seconds) {
  constexpr std::int64_t minute = 60;
  constexpr std::int64_t hour = 3600;
  constexpr std::int64_t day = 86400;
  if (seconds < 2 * hour) return std::to_string(seconds / minute) + " min";
  if (seconds < 2 * day) return std::to_string(seconds / hour) + " h";
  return std::to_string(seconds / day) + " days";
}

/// How far two times are apart, whatever a file has for one: nothing overflows.
std::int64_t apart(std::int64_t one, std::int64_t other) {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max() / 4;
  return std::clamp(one, -most, most) - std::clamp(other, -most, most);
}

void judge_clock(const DeviceFindings& found, std::vector<Judgement>& into) {
  const std::string now = "it is " + date(found.clock) + " by this device's clock";
  for (const DeviceFindings::Certificate& certificate : found.certificates) {
    if (found.clock >= certificate.valid_after) continue;
    Judgement early = blame(Cause::clock_wrong, now + ", and " + certificate.file + " is good from " +
                                                    date(certificate.valid_after) + " on");
    early.result = CheckResult::fail;  // the login can't succeed
    into.push_back(std::move(early));
    return;
  }
  const std::int64_t earliest = std::max(found.at_least.value_or(0), first_of_2020);
  if (found.clock < earliest) {
    into.push_back(blame(Cause::clock_wrong, now + ", and it can't be before " + date(earliest)));
  } else if (const std::int64_t off = apart(found.clock, found.relay_clock.value_or(found.clock));
             std::abs(off) > tolerated_seconds) {
    const std::string words = now + ", " + span(std::abs(off)) + (off > 0 ? " ahead of" : " behind") + " the relay's";
    // The clock that somebody sets is the right one of the two.
    const bool ours_is_set = found.clock_synchronized.value_or(false);
    into.push_back(ours_is_set ? pass(Layer::device, words + ", and it is synchronized")
                               : blame(Cause::clock_wrong, words));
  } else {
    into.push_back(pass(Layer::device, now + (found.clock_synchronized.value_or(true) ? "" : ", and nothing sets it")));
  }
}

/// How much a machine of this size needs to breathe.
std::uint64_t least_memory(std::uint64_t total) {
  return std::clamp<std::uint64_t>(total / 32, std::uint64_t{8} << 20, std::uint64_t{64} << 20);
}

Judgement judge(const DeviceFindings::Place& place) {
  if (!place.error.empty()) return pass(Layer::device, place.path + ": " + place.error);
  if (place.read_only) return blame(Cause::disk_read_only, place.path + " takes no writes");
  if (place.free_bytes < fewest_bytes) return blame(Cause::disk_full, place.path + " has no room left");
  if (place.free_files == 0)
    return blame(Cause::disk_full, place.path + " takes no new file: no inode is left",
                 "Find the folder that holds so many files (du --inodes -x / | sort -n | tail), and delete them.");
  return pass(Layer::device, place.path + " has " + megabytes(place.free_bytes) + " of room");
}

}  // namespace

/// The first word is of what makes the rest fail.
Judgement judge(const DeviceFindings& found) {
  std::vector<Judgement> each;
  if (found.descriptors_limit > 0 && found.descriptors_used + fewest_descriptors > found.descriptors_limit) {
    each.push_back(
        blame(Cause::local_error,
              std::to_string(found.descriptors_used) + " descriptors of " + std::to_string(found.descriptors_limit) +
                  " are open: no connection can be made",
              "Raise the limit (LimitNOFILE= of the unit, ulimit -n), and look who opens so many connections "
              "through the tunnel."));
  }
  if (found.under_voltage.value_or(false)) {
    each.push_back(blame(Cause::under_voltage, "the voltage is too low now"));
  } else if (found.under_voltage_before.value_or(false)) {
    each.push_back(blame(Cause::under_voltage, "the voltage was too low since the boot"));
  }
  if (found.memory_total > 0) {
    const std::string memory =
        megabytes(found.memory_available) + " of " + megabytes(found.memory_total) + " of memory are available";
    const bool low = found.memory_available < least_memory(found.memory_total);
    each.push_back(low ? blame(Cause::memory_low, memory) : pass(Layer::device, memory));
  }
  for (const DeviceFindings::Place& place : found.places) each.push_back(judge(place));
  judge_clock(found, each);
  return worst(std::move(each));
}

}  // namespace holdfast::diagnosis
