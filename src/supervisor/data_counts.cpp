#include "supervisor/data_counts.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include "log/log.hpp"
#include "net/state_file.hpp"

namespace holdfast::supervisor {
namespace {

constexpr std::chrono::minutes between_counts{10};

std::chrono::sys_seconds wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

}  // namespace

DataCounts::DataCounts(const boost::asio::any_io_executor& executor, std::shared_ptr<net::Disk> disk, UsageBook book,
                       const std::vector<Slot>& slots)
    : disk_(std::move(disk)), slots_(slots), book_(std::move(book)), timer_(executor) {}

void DataCounts::start() {
  timer_.start(between_counts, [this] {
    std::set<std::string> names;
    for (const Slot& slot : slots_) {
      count(slot);
      names.insert(slot.name());
    }
    book_.forget_others(names, wall_clock());
    save(false);
    start();
  });
}

void DataCounts::close() {
  for (const Slot& slot : slots_) count(slot);
  save(true);
}

void DataCounts::forget_stopped(Slot& slot) {
  const auto runners = slot.runners();
  if (std::none_of(runners.begin(), runners.end(), [](const TunnelRunner* runner) { return runner->stopped(); }))
    return;
  count(slot);
  std::uint64_t& counted = meters_[slot.name()].counted;
  counted -= std::min(counted, slot.forget_stopped());
}

DataReport DataCounts::report(const Slot& slot) const {
  const auto found = meters_.find(slot.name());
  const Meter meter = found == meters_.end() ? Meter{} : found->second;
  const auto now = wall_clock();
  DataUsage usage = book_.find(slot.name());
  usage.count(growth(meter.counted, slot.wire_bytes()), now);
  DataReport report{usage.today + usage.undated, usage.month + usage.undated, meter.idle.bytes_per_hour(), {}};
  if (report.idle_per_hour) report.projected_month = projected_month(usage, *report.idle_per_hour, now);
  return report;
}

void DataCounts::count(const Slot& slot) {
  Meter& meter = meters_[slot.name()];
  const std::uint64_t bytes = slot.wire_bytes();
  book_.count(slot.name(), growth(meter.counted, bytes), wall_clock());
  meter.counted = std::max(meter.counted, bytes);
  meter.idle.sample(Clock::now(), bytes, slot.activity(), slot.idle());
}

void DataCounts::save(bool at_once) {
  const auto text = book_.due(Clock::now(), at_once);
  if (!text) return;
  disk_->write(
      book_.path(), [path = book_.path(), text = *text] { return net::replace_file(path, text); },
      lifetime_.guard([this](int error) {
        if (const auto problem = book_.written(error)) log::write(LogLevel::error, *problem);
      }));
}

}  // namespace holdfast::supervisor
