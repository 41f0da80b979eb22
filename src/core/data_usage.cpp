#include "holdfast/data_usage.hpp"

#include <algorithm>
#include <sstream>
#include <tuple>

namespace holdfast {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::sys_days;
using std::chrono::sys_seconds;
using std::chrono::year_month;
using std::chrono::year_month_day;

constexpr sys_days oldest_day = std::chrono::year{2020} / 1 / 1;
constexpr std::string_view first_line = "holdfast data usage 1";
constexpr std::size_t most_tunnels = 10'000;

/// Stays at the most there is: a file may hold anything.
std::uint64_t sum(std::uint64_t one, std::uint64_t other) {
  return one > UINT64_MAX - other ? UINT64_MAX : one + other;
}

year_month month_of(sys_days day) {
  const year_month_day date{day};
  return date.year() / date.month();
}

}  // namespace

void DataUsage::count(std::uint64_t bytes, sys_seconds now) {
  const sys_days current = floor<days>(now);
  undated = sum(undated, bytes);
  if (current < oldest_day) return;
  if (current > day || current < day - days{1}) {
    today = 0;
    if (month_of(current) != month_of(day)) month = 0;
    day = current;
  }
  today = sum(today, undated);
  month = sum(month, undated);
  undated = 0;
}

void forget_others(DataUsages& usages, const std::set<std::string>& configured, sys_seconds now) {
  const sys_days today = floor<days>(now);
  if (today < oldest_day) return;
  std::erase_if(usages, [&](const auto& entry) {
    const auto& [name, usage] = entry;
    return !configured.contains(name) && month_of(usage.day) < month_of(today);
  });
}

void take_later(DataUsages& usages, const DataUsages& other) {
  const auto counted = [](const DataUsage& usage) { return std::tuple{usage.day, usage.month, usage.undated}; };
  for (const auto& [name, usage] : other) {
    DataUsage& ours = usages[name];
    if (counted(ours) < counted(usage)) ours = usage;
  }
}

std::string format_usages(const DataUsages& usages) {
  std::ostringstream text;
  text << first_line << '\n';
  for (const auto& [name, usage] : usages) {
    text << name << ' ' << usage.day.time_since_epoch().count() << ' ' << usage.today << ' ' << usage.month << ' '
         << usage.undated << '\n';
  }
  return text.str();
}

std::optional<DataUsages> parse_usages(std::string_view text) {
  std::istringstream lines{std::string(text)};
  std::string line;
  std::getline(lines, line);
  DataUsages usages;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    std::string name;
    int day = 0;
    DataUsage usage;
    words >> name >> day >> usage.today >> usage.month >> usage.undated;
    usage.day = sys_days{days{day}};
    if (day < 0 || usage.month < usage.today || usages.size() == most_tunnels) return std::nullopt;
    usages.insert_or_assign(std::move(name), usage);
  }
  // What we write has one form; the last number of a file that was cut short may be the beginning of another.
  return format_usages(usages) == text ? std::optional{std::move(usages)} : std::nullopt;
}

void IdleCost::sample(TimePoint now, std::uint64_t bytes, std::uint64_t activity, bool idle) {
  if (!idle || !since_ || since_->activity != activity || bytes < since_->bytes) {
    since_ = Sample{now, bytes, activity};
    return;
  }
  const std::chrono::duration<double, std::ratio<3600>> hours = now - since_->at;
  if (hours.count() < 1) return;
  per_hour_ = static_cast<std::uint64_t>(static_cast<double>(bytes - since_->bytes) / hours.count());
}

std::uint64_t projected_month(const DataUsage& usage, std::uint64_t idle_bytes_per_hour, sys_seconds now) {
  const sys_days next_month = (month_of(floor<days>(now)) + std::chrono::months{1}) / 1;
  const auto hours = floor<std::chrono::hours>(next_month - now).count();
  return sum(usage.month, idle_bytes_per_hour * static_cast<std::uint64_t>(std::max<std::int64_t>(hours, 0)));
}

}  // namespace holdfast
