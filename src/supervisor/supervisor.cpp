#include "supervisor/supervisor.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <random>
#include <set>

#include "config/load.hpp"
#include "holdfast/relays.hpp"
#include "holdfast/reload_plan.hpp"
#include "holdfast/running.hpp"
#include "holdfast/version.hpp"
#include "log/log.hpp"
#include "net/state_file.hpp"
#include "preflight/configuration.hpp"
#include "preflight/device_faults.hpp"
#include "ssh/libssh.hpp"
#include "status/findings_json.hpp"
#include "supervisor/memory.hpp"
#include "supervisor/share.hpp"

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

void complain(const std::string& line) {
  log::write(LogLevel::error, line);
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

/// True, too, where nothing differs.
bool differs_in_log_level_only(TunnelSpec one, const TunnelSpec& other) {
  one.log_level = other.log_level;
  return one == other;
}

}  // namespace

Supervisor::Supervisor(const boost::asio::any_io_executor& executor, std::string config_path, std::string only,
                       Config config, std::shared_ptr<record::Recorder> recorder, std::function<void()> changed,
                       std::function<void()> stopped)
    : executor_(executor),
      only_(std::move(only)),
      config_(std::move(config)),
      recorder_(std::move(recorder)),
      changed_(std::move(changed)),
      stopped_(std::move(stopped)),
      started_(Clock::now()),
      disk_(std::make_shared<net::Disk>(executor)),
      storage_(std::make_shared<ssh::Storage>(executor, disk_, complain)),
      resolver_(executor, net::AddressCache{state_folder(only_) + "/addresses", say}, say, disk_),
      device_id_(state_folder("") + "/device_id", DeviceTraits::of_this_machine(), std::random_device{}(), say),
      runs_(
          begin_run(state_folder(only_) + "/runs", files_beside("runs", config_, only_), std::random_device{}(), say)),
      jitter_(system_random()),
      book_(state_folder(only_) + "/data_usage", files_beside("data_usage", config_, only_), say),
      count_timer_(executor),
      tidy_timer_(executor),
      outage_alarm_(executor, [this] { watch_outages(); }),
      reloads_(executor, std::move(config_path), only_, device_id_,
               [this](const ConfigurationRead& read) { return take_over(read); }) {
  slots_.reserve(config_.tunnels.size());
  for (const TunnelSpec& spec : config_.tunnels) slots_.push_back({make_holder(spec, device_id_.of(spec))});
}

Supervisor::Holder Supervisor::make_holder(const TunnelSpec& spec, const DeviceNames& names) {
  relay::Device device{names.now, runs_.numbers, runs_.kept, started_, names.before};
  Surroundings around{executor_, resolver_, storage_, std::move(device), [this] { return jitter_(); },
                      teller_,   recorder_};
  return {spec, std::make_unique<TunnelRunner>(std::move(around), spec, [this] { on_change(); })};
}

std::vector<TunnelRunner*> Supervisor::Slot::runners() const {
  std::vector<TunnelRunner*> all{current.runner.get()};
  if (successor) all.push_back(successor->runner.get());
  for (const auto& runner : former) all.push_back(runner.get());
  return all;
}

bool Supervisor::Slot::stopped() const {
  const auto all = runners();
  return std::all_of(all.begin(), all.end(), [](const TunnelRunner* runner) { return runner->stopped(); });
}

bool Supervisor::Slot::idle_now() const {
  const auto all = runners();
  return std::all_of(all.begin(), all.end(), [](const TunnelRunner* runner) { return runner->idle(); });
}

std::uint64_t Supervisor::Slot::activity() const {
  std::uint64_t sum = 0;
  for (const TunnelRunner* runner : runners()) sum += runner->activity();
  return sum;
}

std::uint64_t Supervisor::Slot::wire_bytes() const {
  std::uint64_t sum = 0;
  for (const TunnelRunner* runner : runners()) sum += runner->wire_bytes();
  return sum;
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
  for (Slot& slot : slots_) slot.current.runner->handle(Start{});
  count_bytes_again();
}

void Supervisor::count_bytes_again() {
  count_timer_.expires_after(between_counts);
  count_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    count_bytes();
    std::set<std::string> names;
    for (const Slot& slot : slots_) names.insert(slot.current.spec.name);
    book_.forget_others(names, wall_clock());
    save_book(false);
    count_bytes_again();
  });
}

void Supervisor::save_book(bool at_once) {
  const auto text = book_.due(Clock::now(), at_once);
  if (!text) return;
  disk_->write(
      book_.path(), [path = book_.path(), text = *text] { return net::replace_file(path, text); },
      [this, alive = std::weak_ptr(alive_)](int error) {
        if (alive.expired()) return;
        if (const auto problem = book_.written(error)) complain(*problem);
      });
}

void Supervisor::tidy_up_after(Duration wait) {
  tidy_timer_.expires_after(wait);
  tidy_timer_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& error) {
    if (error || alive.expired()) return;
    std::uint64_t activity = 0;
    bool idle = true;
    for (const Slot& slot : slots_) {
      activity += slot.activity();
      idle = idle && slot.idle_now();
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
  const std::uint64_t bytes = slot.wire_bytes();
  book_.count(slot.current.spec.name, growth(slot.counted, bytes), now);
  slot.counted = std::max(slot.counted, bytes);
  slot.idle.sample(Clock::now(), bytes, slot.activity(), slot.idle_now());
}

DataReport Supervisor::data_of(const Slot& slot, std::chrono::sys_seconds now) const {
  DataUsage usage = book_.find(slot.current.spec.name);
  usage.count(growth(slot.counted, slot.wire_bytes()), now);
  DataReport report{usage.today + usage.undated, usage.month + usage.undated, slot.idle.bytes_per_hour(), {}};
  if (report.idle_per_hour) report.projected_month = projected_month(usage, *report.idle_per_hour, now);
  return report;
}

void Supervisor::on_network_change(const net::NetworkChange& change) {
  say("the network changed: " + change.what);
  const bool left_only = change.connected && !change.gained;
  for (const auto& address : change.gone) {
    for (Slot& slot : slots_) {
      for (TunnelRunner* runner : slot.runners()) runner->address_gone(address, left_only);
    }
  }
  if (change.gained) network_changed();
}

void Supervisor::network_changed() {
  resolver_.network_changed();
  for (Slot& slot : slots_) {
    for (TunnelRunner* runner : slot.runners()) runner->network_changed();
  }
}

void Supervisor::tell_of(const Slot& slot, const std::string& text) {
  log::write(LogLevel::info, text, {slot.current.spec.name, {}, {}, {}});
}

void Supervisor::tell_all(const TunnelEvent& event) {
  for (Slot& slot : slots_) {
    for (TunnelRunner* runner : slot.runners()) runner->handle(event);
  }
}

void Supervisor::stop() {
  stopping_ = true;
  tell_all(StopRequested{});
  on_change();
}

void Supervisor::stop_now() {
  stopping_ = true;
  tell_all(StopNow{});
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
    const bool all_stopped = std::all_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.stopped(); });
    changed_();
    if (!all_stopped) return;
    count_bytes();
    save_book(true);
    stopped_();
    return;
  }
  for (Slot& slot : slots_) {
    hand_over(slot);
    forget_stopped(slot);
  }
  std::erase_if(slots_, [](const Slot& slot) { return slot.leaving && slot.stopped(); });
  watch_outages();
  changed_();
}

/// The next step on the way from a configuration to the changed one, if it is time for it.
void Supervisor::hand_over(Slot& slot) {
  if (!slot.successor) return;
  if (!slot.handing_over) {
    if (!slot.successor->runner->standing_by()) return;
    tell_of(slot, "the changed configuration has logged in, and takes over");
    slot.handing_over = true;
    slot.current.runner->handle(StopRequested{});
  }
  if (!slot.current.runner->has_no_listener()) return;
  slot.former.push_back(std::move(slot.current.runner));
  slot.current = *std::exchange(slot.successor, std::nullopt);
  slot.handing_over = false;
  slot.idle = {};
  slot.current.runner->handle(Proceed{});
}

void Supervisor::forget_stopped(Slot& slot) {
  const auto gone = [](const auto& runner) { return runner->stopped(); };
  if (std::none_of(slot.former.begin(), slot.former.end(), gone) && !slot.leaving) return;
  count_bytes(slot, wall_clock());
  for (const auto& runner : slot.former) {
    if (!runner->stopped()) continue;
    const TunnelReport last = runner->report(Clock::now());
    slot.former_received += last.bytes_received;
    slot.former_sent += last.bytes_sent;
    slot.counted -= std::min(slot.counted, runner->wire_bytes());
  }
  std::erase_if(slot.former, gone);
}

Supervisor::Slot* Supervisor::find(const std::string& name) {
  const auto found =
      std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.current.spec.name == name; });
  return found == slots_.end() ? nullptr : &*found;
}

Report Supervisor::report() const {
  const TimePoint now = Clock::now();
  Report report;
  report.version = version;
  report.pid = ::getpid();
  report.uptime = now - started_;
  report.libssh = ssh::report(ssh::running_libssh());
  report.last_reload_error = last_reload_error_;
  report.log_dropped = log::dropped();
  report.unsaved = disk_->unsaved();
  for (const Slot& slot : slots_) report.tunnels.push_back(report_of(slot, now));
  return report;
}

TunnelReport Supervisor::report_of(const Slot& slot, TimePoint now) const {
  TunnelReport report = slot.current.runner->report(now);
  report.bytes_received += slot.former_received;
  report.bytes_sent += slot.former_sent;
  for (const TunnelRunner* runner : slot.runners()) {
    if (runner == slot.current.runner.get()) continue;
    const TunnelReport beside = runner->report(now);
    report.bytes_received += beside.bytes_received;
    report.bytes_sent += beside.bytes_sent;
  }
  report.data = data_of(slot, wall_clock());
  if (slot.successor) report.change = slot.successor->runner->report_as_change(now);
  report.diagnosis = slot.outage.report(now);
  return report;
}

bool Supervisor::wants_restart() const {
  const TimePoint now = Clock::now();
  return config_.watchdog == WatchdogMode::verified &&
         std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.current.runner->wedged(now); });
}

void Supervisor::reload(Reloaded then) {
  if (stopping_) return then("holdfast is stopping");
  reloads_.ask(std::move(then));
}

std::optional<std::string> Supervisor::take_over(const ConfigurationRead& read) {
  if (stopping_) return "holdfast is stopping";
  const auto& loaded = read.loaded;
  if (!loaded) return refuse_reload(loaded.error());
  config::Problems hopeless;
  std::vector<std::string> told = preflight::warnings(*loaded);
  for (const preflight::DeviceFault& fault : read.faults) {
    // What the session of a tunnel that is not touched was opened with may be gone by now: that is no reason.
    if (fault.hopeless && is_touched(spec_of(loaded->config, fault.tunnel))) {
      hopeless.push_back(fault.problem);
    } else {
      told.push_back(to_string(fault.problem));
    }
  }
  if (!hopeless.empty()) return refuse_reload(hopeless);
  for (const std::string& warning : told) log::write(LogLevel::info, "warning: " + warning);
  last_reload_error_.reset();
  apply(loaded->config, read.names);
  return std::nullopt;
}

std::string Supervisor::refuse_reload(const config::Problems& problems) {
  std::string text;
  for (const config::Problem& problem : problems) {
    text += (text.empty() ? "" : "\n") + to_string(problem);
    log::write(LogLevel::error, "reload refused, nothing was changed: " + to_string(problem));
  }
  last_reload_error_ = text;
  return text;
}

/// Added or changed, and not back to what still serves.
bool Supervisor::is_touched(const TunnelSpec& next) {
  const Slot* slot = find(next.name);
  if (slot == nullptr) return true;
  const bool is_tried = slot->successor && differs_in_log_level_only(slot->successor->spec, next);
  return !is_tried && !differs_in_log_level_only(slot->current.spec, next);
}

void Supervisor::apply(const Config& next, const Names& names) {
  const ReloadPlan plan = plan_reload(config_, next);
  log::write(LogLevel::info, "reloaded: added " + join(plan.added) + "; changed " + join(plan.changed) + "; removed " +
                                 join(plan.removed));
  for (const std::string& key : plan.needs_restart) {
    log::write(LogLevel::error, "reload: " + key + " changes only with a restart; the old setting stays");
  }
  for (const auto* tunnels : {&plan.added, &plan.changed}) {
    for (const std::string& name : *tunnels) {
      if (Slot* slot = find(name)) {
        change(*slot, spec_of(next, name), names.at(name));
      } else {
        slots_.push_back({make_holder(spec_of(next, name), names.at(name))});
        slots_.back().current.runner->handle(Start{});
      }
    }
  }
  for (const std::string& name : plan.removed) {
    Slot* slot = find(name);
    drop_successor(*slot);
    slot->leaving = true;
    slot->current.runner->handle(StopRequested{});
  }
  const StatusSocketSpec running_socket = config_.status_socket;
  config_ = next;
  config_.status_socket = running_socket;
  on_change();
}

void Supervisor::change(Slot& slot, const TunnelSpec& spec, const DeviceNames& names) {
  drop_successor(slot);
  // One that is on its way out already can't be kept.
  const bool on_its_way_out = slot.handing_over || slot.leaving;
  slot.leaving = false;
  if (!on_its_way_out && differs_in_log_level_only(slot.current.spec, spec)) {
    slot.current.spec.log_level = spec.log_level;
    slot.current.runner->set_log_level(spec.log_level);
    return;
  }
  slot.handing_over = on_its_way_out;
  slot.successor = make_holder(spec, names);
  if (!on_its_way_out) tell_of(slot, "the former configuration serves until the changed one has logged in");
  slot.successor->runner->handle(Start{true});
}

void Supervisor::drop_successor(Slot& slot) {
  if (!slot.successor) return;
  slot.former.push_back(std::move(slot.successor->runner));
  slot.successor.reset();
  slot.former.back()->handle(StopRequested{});
}

doctor::Patient Supervisor::patient_of(const Slot& slot, TunnelReport report) {
  TunnelSpec there = slot.current.spec;
  for (const RelaySpec& relay : relays_of(there)) {
    if (relay_name(relay) != report.relay) continue;
    there = at_relay(std::move(there), relay);
    break;
  }
  return {executor_, resolver_, storage_, std::move(there), state_folder(only_), std::move(report)};
}

std::shared_ptr<void> Supervisor::examine(const std::string& tunnel, Tell tell) {
  const Slot* slot = find(tunnel);
  if (slot == nullptr) return nullptr;
  doctor::Patient patient = patient_of(*slot, report_of(*slot, Clock::now()));
  patient.ask_relay = [this, tunnel] {
    if (const Slot* now = find(tunnel)) now->current.runner->ask_relay();
  };
  patient.answered_at = [this, tunnel]() -> std::optional<TimePoint> {
    const Slot* now = find(tunnel);
    return now == nullptr ? std::nullopt : now->current.runner->answered_at();
  };
  return std::make_shared<doctor::Examination>(
      std::move(patient), [tell](Layer layer, const Finding& finding) { tell(status::to_line(layer, finding)); },
      [tell] { tell(""); });
}

// ---- outages ------------------------------------------------------------------------------------------------------

void Supervisor::watch_outages() {
  const TimePoint now = Clock::now();
  std::optional<TimePoint> due;
  for (Slot& slot : slots_) {
    const TunnelRunner& runner = *slot.current.runner;
    if (slot.outage.step(runner.up() || slot.leaving, runner.last_cause(), now)) slot.wants_look = true;
    const auto next = slot.outage.due();
    slot.wants_look = slot.wants_look && next;
    if (next && (!due || *next < *due)) due = next;
  }
  outage_alarm_.set(due);
  // One after the other: all tunnels are down at once where the network is.
  if (std::any_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.looking != nullptr; })) return;
  const auto wanting = std::find_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.wants_look; });
  if (wanting != slots_.end()) look_silently(*wanting);
}

void Supervisor::look_silently(Slot& slot) {
  slot.wants_look = false;
  doctor::Patient patient = patient_of(slot, slot.current.runner->report(Clock::now()));
  patient.silent = slot.current.runner->last_address();
  const auto looked = std::make_shared<Findings>();
  slot.looking = std::make_unique<doctor::Examination>(
      std::move(patient),
      [looked](Layer layer, Finding finding) { looked->insert_or_assign(layer, std::move(finding)); },
      [this, looked, tunnel = slot.current.spec.name] { outage_found(tunnel, std::move(*looked)); });
}

void Supervisor::outage_found(const std::string& tunnel, Findings looked) {
  Slot* slot = find(tunnel);
  if (slot == nullptr) return;
  const TimePoint now = Clock::now();
  const TunnelReport report = slot->current.runner->report(now);
  looked.erase(Layer::name);  // nobody was asked
  const Diagnosis diagnosis = diagnose(with_what_is_known(std::move(looked), slot->current.spec, report));
  if (const auto line = slot->outage.found(diagnosis, now)) {
    log::write(LogLevel::error, *line, {report.name, report.relay, report.state, slot->outage.report(now)->cause},
               slot->current.spec.log_level);
  }
  slot->looking.reset();  // the look itself told us: nothing of it is used from here on
  watch_outages();
}

bool Supervisor::reconnect(const std::string& tunnel) {
  Slot* slot = find(tunnel);
  if (slot == nullptr || slot->leaving) return false;
  log::write(LogLevel::info, "reconnect requested", {tunnel, {}, {}, {}});
  slot->current.runner->handle(ReconnectRequested{});
  if (slot->successor) slot->successor->runner->handle(ReconnectRequested{});
  return true;
}

}  // namespace holdfast::supervisor
