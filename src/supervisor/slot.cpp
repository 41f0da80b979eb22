#include "supervisor/slot.hpp"

#include <algorithm>
#include <utility>

#include "log/log.hpp"

namespace holdfast::supervisor {
namespace {

/// True, too, where nothing differs.
bool differs_in_log_level_only(TunnelSpec one, const TunnelSpec& other) {
  one.log_level = other.log_level;
  return one == other;
}

}  // namespace

Slot::Slot(SharedSpec spec, std::unique_ptr<TunnelRunner> runner) : current_{std::move(spec), std::move(runner)} {}

std::vector<TunnelRunner*> Slot::runners() const {
  std::vector<TunnelRunner*> all{current_.runner.get()};
  if (successor_) all.push_back(successor_->runner.get());
  for (const auto& runner : former_) all.push_back(runner.get());
  return all;
}

bool Slot::serves(const TunnelSpec& spec) const {
  const bool is_tried = successor_ && differs_in_log_level_only(*successor_->spec, spec);
  return is_tried || differs_in_log_level_only(*current_.spec, spec);
}

void Slot::change(const TunnelSpec& spec, const MakeRunner& make) {
  drop_successor();
  // One that is on its way out already can't be kept.
  const bool on_its_way_out = handing_over_ || leaving_;
  leaving_ = false;
  if (!on_its_way_out && differs_in_log_level_only(*current_.spec, spec)) {
    current_.spec = std::make_shared<const TunnelSpec>(spec);
    current_.runner->set_log_level(spec.log_level);
    return;
  }
  handing_over_ = on_its_way_out;
  const auto shared = std::make_shared<const TunnelSpec>(spec);
  successor_ = std::make_unique<Holder>(Holder{shared, make(shared)});
  if (!on_its_way_out) say("the former configuration serves until the changed one has logged in");
  successor_->runner->handle(Start{true});
}

void Slot::remove() {
  drop_successor();
  leaving_ = true;
  current_.runner->handle(StopRequested{});
}

void Slot::reconnect() {
  current_.runner->handle(ReconnectRequested{});
  if (successor_) successor_->runner->handle(ReconnectRequested{});
}

void Slot::tell(const TunnelEvent& event) {
  for (TunnelRunner* runner : runners()) runner->handle(event);
}

bool Slot::hand_over() {
  if (!successor_) return false;
  if (!handing_over_) {
    if (!successor_->runner->standing_by()) return false;
    say("the changed configuration has logged in, and takes over");
    handing_over_ = true;
    current_.runner->handle(StopRequested{});
  }
  if (!current_.runner->has_no_listener()) return false;
  former_.push_back(std::move(current_.runner));
  current_ = std::move(*std::exchange(successor_, nullptr));
  handing_over_ = false;
  current_.runner->handle(Proceed{});
  return true;
}

std::uint64_t Slot::forget_stopped() {
  std::uint64_t wire_bytes = 0;
  std::erase_if(former_, [&](const auto& runner) {
    if (!runner->stopped()) return false;
    const TunnelReport last = runner->report(Clock::now());
    former_received_ += last.bytes_received;
    former_sent_ += last.bytes_sent;
    wire_bytes += runner->wire_bytes();
    return true;
  });
  return wire_bytes;
}

bool Slot::stopped() const {
  const auto all = runners();
  return std::all_of(all.begin(), all.end(), [](const TunnelRunner* runner) { return runner->stopped(); });
}

bool Slot::idle() const {
  const auto all = runners();
  return std::all_of(all.begin(), all.end(), [](const TunnelRunner* runner) { return runner->idle(); });
}

std::uint64_t Slot::activity() const {
  std::uint64_t sum = 0;
  for (const TunnelRunner* runner : runners()) sum += runner->activity();
  return sum;
}

std::uint64_t Slot::wire_bytes() const {
  std::uint64_t sum = 0;
  for (const TunnelRunner* runner : runners()) sum += runner->wire_bytes();
  return sum;
}

TunnelReport Slot::report(TimePoint now) const {
  TunnelReport report = current_.runner->report(now);
  report.bytes_received += former_received_;
  report.bytes_sent += former_sent_;
  for (const TunnelRunner* runner : runners()) {
    if (runner == current_.runner.get()) continue;
    const TunnelReport beside = runner->report(now);
    report.bytes_received += beside.bytes_received;
    report.bytes_sent += beside.bytes_sent;
  }
  if (successor_) report.change = successor_->runner->report_as_change(now);
  return report;
}

void Slot::drop_successor() {
  if (!successor_) return;
  former_.push_back(std::move(successor_->runner));
  successor_.reset();
  former_.back()->handle(StopRequested{});
}

void Slot::say(const std::string& text) const {
  log::write(LogLevel::info, text, {name(), {}, {}, {}});
}

}  // namespace holdfast::supervisor
