#include "supervisor/supervisor.hpp"

#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "config/load.hpp"
#include "holdfast/reload_plan.hpp"
#include "holdfast/version.hpp"
#include "holdfast/words.hpp"
#include "log/log.hpp"
#include "preflight/configuration.hpp"
#include "preflight/device_faults.hpp"
#include "ssh/libssh.hpp"
#include "status/findings_json.hpp"
#include "supervisor/share.hpp"

namespace holdfast::supervisor {
namespace {

std::string listed(const std::vector<std::string>& names) {
  return names.empty() ? "none" : joined(names, ", ");
}

void say(const std::string& line) {
  log::write(LogLevel::info, line);
}

}  // namespace

Supervisor::Supervisor(const boost::asio::any_io_executor& executor, ConfigurationReport configuration,
                       std::string only, Config config, std::shared_ptr<record::Recorder> recorder,
                       std::function<void()> changed, std::function<void()> stopped)
    : equipment_(executor, std::move(only), config, std::move(recorder)),
      settings_(std::move(config)),
      changed_(std::move(changed)),
      stopped_(std::move(stopped)),
      data_(executor, equipment_.disk(),
            UsageBook{state_folder(equipment_.only()) + "/data_usage",
                      files_beside("data_usage", settings_, equipment_.only()), say},
            slots_),
      tidying_(executor, slots_),
      outages_(equipment_, slots_),
      configuration_(std::move(configuration)),
      reloads_(executor, configuration_.path, equipment_.only(), equipment_.device_id(),
               [this](const ConfigurationRead& read) { return take_over(read); }) {
  slots_.reserve(settings_.tunnels.size());
  for (TunnelSpec& spec : std::exchange(settings_.tunnels, {})) {
    const DeviceNames names = equipment_.device_id().of(spec);
    slots_.push_back(make_slot(std::move(spec), names));
  }
}

Slot Supervisor::make_slot(TunnelSpec spec, const DeviceNames& names) {
  const auto shared = std::make_shared<const TunnelSpec>(std::move(spec));
  return {shared, make_runner(shared, names)};
}

std::unique_ptr<TunnelRunner> Supervisor::make_runner(const SharedSpec& spec, const DeviceNames& names) {
  return equipment_.make_runner(spec, names, [this] { on_change(); });
}

void Supervisor::start() {
  network_.emplace(
      equipment_.executor(), [this](const net::NetworkChange& change) { on_network_change(change); },
      [](const std::string& why) {
        say("the kernel does not tell when the network changes (" + why +
            "): a change is noticed only by what no longer works");
      });
  sleep_.emplace(equipment_.executor(), [this](std::chrono::nanoseconds slept) {
    say("back from a sleep of " + to_text(slept));
    network_changed();
  });
  for (Slot& slot : slots_) slot.runner().handle(Start{});
  data_.start();
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
  equipment_.resolver().network_changed();
  for (Slot& slot : slots_) {
    for (TunnelRunner* runner : slot.runners()) runner->network_changed();
  }
}

void Supervisor::tell_all(const TunnelEvent& event) {
  for (Slot& slot : slots_) slot.tell(event);
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
  if (!stopping_) tidying_.something_happened();
  if (follow_up_posted_) return;
  follow_up_posted_ = true;
  boost::asio::post(equipment_.executor(), lifetime_.guard([this] {
    follow_up_posted_ = false;
    follow_up();
  }));
}

void Supervisor::follow_up() {
  if (stopping_) {
    const bool all_stopped = std::all_of(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.stopped(); });
    changed_();
    if (!all_stopped) return;
    data_.close();
    stopped_();
    return;
  }
  for (Slot& slot : slots_) {
    if (slot.hand_over()) data_.begin_anew(slot);
    data_.forget_stopped(slot);
  }
  std::erase_if(slots_, [this](const Slot& slot) {
    const bool gone = slot.leaving() && slot.stopped();
    if (gone) data_.forget(slot);
    return gone;
  });
  outages_.look();
  changed_();
}

Slot* Supervisor::find(const std::string& name) {
  const auto found = std::find_if(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.name() == name; });
  return found == slots_.end() ? nullptr : &*found;
}

Report Supervisor::report() const {
  const TimePoint now = Clock::now();
  Report report;
  report.version = version;
  report.pid = ::getpid();
  report.uptime = now - equipment_.started();
  report.configuration = configuration_;
  report.libssh = ssh::report(ssh::running_libssh());
  report.last_reload_error = last_reload_error_;
  report.log_dropped = log::dropped();
  report.unsaved = equipment_.disk()->unsaved();
  for (const Slot& slot : slots_) report.tunnels.push_back(report_of(slot, now));
  return report;
}

TunnelReport Supervisor::report_of(const Slot& slot, TimePoint now) const {
  TunnelReport report = slot.report(now);
  report.data = data_.report(slot);
  report.diagnosis = outages_.report(slot, now);
  return report;
}

bool Supervisor::wants_restart() const {
  const TimePoint now = Clock::now();
  return settings_.watchdog == WatchdogMode::verified &&
         std::any_of(slots_.begin(), slots_.end(), [&](const Slot& slot) { return slot.runner().wedged(now); });
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
    if (fault.hopeless && is_touched(*find_tunnel(loaded->config, fault.tunnel))) {
      hopeless.push_back(fault.problem);
    } else {
      told.push_back(to_string(fault.problem));
    }
  }
  if (!hopeless.empty()) return refuse_reload(hopeless);
  for (const std::string& warning : told) log::write(LogLevel::info, "warning: " + warning);
  last_reload_error_.reset();
  configuration_.digest = loaded->digest;
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

bool Supervisor::is_touched(const TunnelSpec& next) {
  const Slot* slot = find(next.name);
  return slot == nullptr || !slot->serves(next);
}

Config Supervisor::running() const {
  Config config = settings_;
  for (const Slot& slot : slots_) {
    if (!slot.leaving()) config.tunnels.push_back(slot.wanted());
  }
  return config;
}

void Supervisor::apply(const Config& next, const Names& names) {
  const ReloadPlan plan = plan_reload(running(), next);
  log::write(LogLevel::info, "reloaded: added " + listed(plan.added) + "; changed " + listed(plan.changed) +
                                 "; removed " + listed(plan.removed));
  for (const std::string& key : plan.needs_restart) {
    log::write(LogLevel::error, "reload: " + key + " changes only with a restart; the old setting stays");
  }
  for (const auto* tunnels : {&plan.added, &plan.changed}) {
    for (const std::string& name : *tunnels) {
      if (Slot* slot = find(name)) {
        slot->change(*find_tunnel(next, name),
                     [&](const SharedSpec& spec) { return make_runner(spec, names.at(name)); });
      } else {
        slots_.push_back(make_slot(*find_tunnel(next, name), names.at(name)));
        slots_.back().runner().handle(Start{});
      }
    }
  }
  for (const std::string& name : plan.removed) find(name)->remove();
  take_settings(settings_, next);
  on_change();
}

std::shared_ptr<void> Supervisor::examine(const std::string& tunnel, Tell tell) {
  const Slot* slot = find(tunnel);
  if (slot == nullptr) return nullptr;
  TunnelReport report = report_of(*slot, Clock::now());
  const Attempt attempt = report.attempt;
  doctor::Patient patient = equipment_.patient(slot->spec(), std::move(report));
  patient.ask_relay = [this, tunnel] {
    if (Slot* current = find(tunnel)) current->runner().ask_relay();
  };
  patient.session = [this, tunnel, attempt]() -> std::optional<doctor::SessionNow> {
    const Slot* current = find(tunnel);
    if (current == nullptr || current->runner().attempt() != attempt) return std::nullopt;
    return doctor::SessionNow{current->runner().answered_at(), current->runner().bytes_received()};
  };
  return std::make_shared<doctor::Examination>(
      std::move(patient), [tell](Layer layer, const Finding& finding) { tell(status::to_line(layer, finding)); },
      [tell] { tell(""); });
}

bool Supervisor::reconnect(const std::string& tunnel) {
  Slot* slot = find(tunnel);
  if (slot == nullptr || slot->leaving()) return false;
  log::write(LogLevel::info, "reconnect requested", {tunnel, {}, {}, {}});
  slot->reconnect();
  return true;
}

}  // namespace holdfast::supervisor
