#include "supervisor/supervisor.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cstdlib>
#include <random>
#include <set>

#include "config/load.hpp"
#include "holdfast/reload_plan.hpp"
#include "holdfast/version.hpp"
#include "log/log.hpp"
#include "supervisor/configuration.hpp"
#include "supervisor/memory.hpp"

namespace holdfast::supervisor {
namespace {

UnitRandom system_random() {
  return [engine = std::mt19937_64{std::random_device{}()}]() mutable {
    return std::uniform_real_distribution<double>{0, 1}(engine);
  };
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

void say(const std::string& line) {
  log::write(LogLevel::info, line);
}

/// In the directory that systemd made for the service (StateDirectory=), or where it would make it.
std::string state_file(const std::string& name) {
  const char* given = std::getenv("STATE_DIRECTORY");
  const std::string directories = given != nullptr ? given : "";
  const std::string first = directories.substr(0, directories.find(':'));
  return (first.starts_with('/') ? first : config::default_state_directory) + "/" + name;
}

constexpr std::chrono::minutes between_counts{10};
constexpr std::chrono::seconds settled_after{2};
constexpr std::chrono::minutes between_looks{1};

std::chrono::sys_seconds wall_clock() {
  return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
}

const TunnelSpec& spec_of(const Config& config, const std::string& name) {
  return *std::find_if(config.tunnels.begin(), config.tunnels.end(),
                       [&](const TunnelSpec& tunnel) { return tunnel.name == name; });
}

}  // namespace

Supervisor::Supervisor(const boost::asio::any_io_executor& executor, std::string config_path, Config config,
                       std::function<void()> changed, std::function<void()> stopped)
    : executor_(executor),
      config_path_(std::move(config_path)),
      config_(std::move(config)),
      changed_(std::move(changed)),
      stopped_(std::move(stopped)),
      started_(Clock::now()),
      resolver_(executor, net::AddressCache{state_file("addresses"), say}, say),
      device_id_(state_file("device_id"), DeviceTraits::of_this_machine(), std::random_device{}(), say),
      jitter_(system_random()),
      book_(state_file("data_usage"), say),
      count_timer_(executor),
      tidy_timer_(executor) {
  for (const TunnelSpec& spec : config_.tunnels) slots_.push_back({make_runner(spec), std::nullopt, false});
}

std::unique_ptr<TunnelRunner> Supervisor::make_runner(const TunnelSpec& spec) {
  return std::make_unique<TunnelRunner>(
      executor_, resolver_, spec, device_id_.of(spec), [this] { return jitter_(); }, [this] { on_change(); });
}

void Supervisor::start() {
  network_.emplace(
      executor_, [this](const net::NetworkChange& change) { on_network_change(change); },
      [](const std::string& why) {
        say("the kernel does not tell when the network changes (" + why +
            "): a change is noticed only by what no longer works");
      });
  sleep_.emplace(executor_, [this](std::chrono::nanoseconds slept) {
    say("back from a sleep of " + to_text(slept));
    network_changed();
  });
  for (Slot& slot : slots_) slot.runner->handle(Start{});
  count_bytes_again();
}

void Supervisor::count_bytes_again() {
  count_timer_.expires_after(between_counts);
  count_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    count_bytes();
    std::set<std::string> names;
    for (const Slot& slot : slots_) names.insert(slot.runner->spec().name);
    book_.forget_others(names, wall_clock());
    if (const auto problem = book_.save(Clock::now())) log::write(LogLevel::error, *problem);
    count_bytes_again();
  });
}

void Supervisor::tidy_up_after(Duration wait) {
  tidy_timer_.expires_after(wait);
  tidy_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    std::uint64_t activity = 0;
    bool idle = true;
    for (const Slot& slot : slots_) {
      activity += slot.runner->activity();
      idle = idle && slot.runner->idle();
    }
    if (idle && activity != tidied_) {
      tidied_ = activity;
      release_memory();
    }
    tidy_up_after(between_looks);
  });
}

void Supervisor::count_bytes() {
  for (Slot& slot : slots_) count_bytes(slot, wall_clock());
}

void Supervisor::count_bytes(Slot& slot, std::chrono::sys_seconds now) {
  const TunnelRunner& runner = *slot.runner;
  const std::uint64_t bytes = runner.wire_bytes();
  book_.count(runner.spec().name, growth(slot.counted, bytes), now);
  slot.counted = std::max(slot.counted, bytes);
  slot.idle.sample(Clock::now(), bytes, runner.activity(), runner.idle());
}

DataReport Supervisor::data_of(const Slot& slot, std::chrono::sys_seconds now) const {
  DataUsage usage = book_.find(slot.runner->spec().name);
  usage.count(growth(slot.counted, slot.runner->wire_bytes()), now);
  DataReport report{usage.today + usage.undated, usage.month + usage.undated, slot.idle.bytes_per_hour(), {}};
  if (report.idle_per_hour) report.projected_month = projected_month(usage, *report.idle_per_hour, now);
  return report;
}

void Supervisor::on_network_change(const net::NetworkChange& change) {
  say("the network changed: " + change.what);
  const bool left_only = change.connected && !change.gained;
  for (const auto& address : change.gone) {
    for (Slot& slot : slots_) slot.runner->address_gone(address, left_only);
  }
  if (change.gained) network_changed();
}

void Supervisor::network_changed() {
  resolver_.network_changed();
  for (Slot& slot : slots_) slot.runner->network_changed();
}

void Supervisor::stop() {
  stopping_ = true;
  for (Slot& slot : slots_) slot.runner->handle(StopRequested{});
  on_change();
}

void Supervisor::stop_now() {
  stopping_ = true;
  for (Slot& slot : slots_) slot.runner->handle(StopNow{});
  on_change();
}

/// A runner reports from inside its own handle(): it can only be replaced on a later turn.
void Supervisor::on_change() {
  if (!stopping_) tidy_up_after(settled_after);
  if (reap_posted_) return;
  reap_posted_ = true;
  boost::asio::post(executor_, [this, alive = std::weak_ptr(alive_)] {
    if (alive.expired()) return;
    reap_posted_ = false;
    reap();
  });
}

void Supervisor::reap() {
  if (stopping_) {
    const bool all_stopped =
        std::all_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.runner->stopped(); });
    changed_();
    if (!all_stopped) return;
    count_bytes();
    if (const auto problem = book_.save(Clock::now(), true)) log::write(LogLevel::error, *problem);
    stopped_();
    return;
  }
  for (Slot& slot : slots_) {
    if (!slot.runner->stopped()) continue;
    count_bytes(slot, wall_clock());
    if (!slot.successor) continue;
    slot.runner = make_runner(*std::exchange(slot.successor, std::nullopt));
    slot.leaving = false;
    slot.counted = 0;
    slot.idle = {};
    slot.runner->handle(Start{});
  }
  std::erase_if(slots_, [](const Slot& slot) { return slot.leaving && slot.runner->stopped(); });
  changed_();
}

Supervisor::Slot* Supervisor::find(const std::string& name) {
  const auto found =
      std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.runner->spec().name == name; });
  return found == slots_.end() ? nullptr : &*found;
}

Report Supervisor::report() const {
  const TimePoint now = Clock::now();
  Report report;
  report.version = version;
  report.pid = ::getpid();
  report.uptime = now - started_;
  report.last_reload_error = last_reload_error_;
  for (const Slot& slot : slots_) {
    report.tunnels.push_back(slot.runner->report(now));
    report.tunnels.back().data = data_of(slot, wall_clock());
  }
  return report;
}

bool Supervisor::wants_restart() const {
  const TimePoint now = Clock::now();
  return config_.watchdog == WatchdogMode::verified &&
         std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.runner->wedged(now); });
}

std::optional<std::string> Supervisor::reload() {
  if (stopping_) return "holdfast is stopping";
  auto loaded = load_configuration(config_path_);
  if (!loaded) {
    std::string text;
    for (const config::Problem& problem : loaded.error()) text += (text.empty() ? "" : "\n") + to_string(problem);
    for (const config::Problem& problem : loaded.error()) {
      log::write(LogLevel::error, "reload refused, nothing was changed: " + to_string(problem));
    }
    last_reload_error_ = text;
    return text;
  }
  for (const std::string& warning : warnings(*loaded)) log::write(LogLevel::info, "warning: " + warning);
  last_reload_error_.reset();
  apply(loaded->config);
  return std::nullopt;
}

void Supervisor::apply(const Config& next) {
  const ReloadPlan plan = plan_reload(config_, next);
  log::write(LogLevel::info, "reloaded: added " + join(plan.added) + "; changed " + join(plan.changed) + "; removed " +
                                 join(plan.removed));
  for (const std::string& key : plan.needs_restart) {
    log::write(LogLevel::error, "reload: " + key + " changes only with a restart; the old setting stays");
  }
  const auto replace = [&](const std::string& name) {
    Slot* slot = find(name);
    if (slot == nullptr) {
      slots_.push_back({make_runner(spec_of(next, name)), std::nullopt, false});
      slots_.back().runner->handle(Start{});
      return;
    }
    slot->successor = spec_of(next, name);
    slot->runner->handle(StopRequested{});
  };
  for (const std::string& name : plan.added) replace(name);
  for (const std::string& name : plan.changed) replace(name);
  for (const std::string& name : plan.removed) {
    Slot* slot = find(name);
    slot->successor.reset();
    slot->leaving = true;
    slot->runner->handle(StopRequested{});
  }
  const StatusSocketSpec running_socket = config_.status_socket;
  config_ = next;
  config_.status_socket = running_socket;
  on_change();
}

bool Supervisor::reconnect(const std::string& tunnel) {
  Slot* slot = find(tunnel);
  if (slot == nullptr || slot->leaving) return false;
  log::write(LogLevel::info, "reconnect requested", {tunnel, {}, {}, {}});
  slot->runner->handle(ReconnectRequested{});
  return true;
}

}  // namespace holdfast::supervisor
