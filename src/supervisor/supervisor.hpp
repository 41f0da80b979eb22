#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/load.hpp"
#include "holdfast/config.hpp"
#include "holdfast/lifetime.hpp"
#include "holdfast/report.hpp"
#include "net/network_watcher.hpp"
#include "net/resume_watcher.hpp"
#include "record/recorder.hpp"
#include "status/server.hpp"
#include "supervisor/data_counts.hpp"
#include "supervisor/equipment.hpp"
#include "supervisor/outage_watch.hpp"
#include "supervisor/reloads.hpp"
#include "supervisor/slot.hpp"
#include "supervisor/tidying.hpp"

namespace holdfast::supervisor {

/// The set of runners: starts them, replaces those that a reload changed, and stops them all. It stays one class: what
/// concerns one tunnel is its Slot's, what is done beside has a class each, and what is left goes from one to another.
class Supervisor final : public status::Source {
 public:
  /// `stopped` is called from the loop, once, when the last tunnel is down after stop(). `changed` is called from
  /// the loop after a tunnel changed its phase or its listeners.
  /// `only`: see supervisor/share.hpp; `config` is already that share, of what `configuration` says.
  /// `recorder`: null if nothing is recorded.
  Supervisor(const boost::asio::any_io_executor& executor, ConfigurationReport configuration, std::string only,
             Config config, std::shared_ptr<record::Recorder> recorder, std::function<void()> changed,
             std::function<void()> stopped);

  void start();
  /// Every tunnel gives its listeners back and drains; then `stopped`.
  void stop();
  /// Drops everything at once; then `stopped`.
  void stop_now();

  /// Once stopped: waits until what is to be kept is written, but no longer than `patience`; false if it is not.
  bool flush(std::chrono::milliseconds patience) { return equipment_.disk()->flush(patience); }

  Report report() const override;
  /// By configuration, a tunnel that only a new process may mend is a reason for one; see is_wedged().
  bool wants_restart() const;
  void reload(Reloaded then) override;
  bool reconnect(const std::string& tunnel) override;
  std::shared_ptr<void> examine(const std::string& tunnel, Tell tell) override;

 private:
  using Names = ConfigurationRead::Names;

  Slot make_slot(TunnelSpec spec, const DeviceNames& names);
  std::unique_ptr<TunnelRunner> make_runner(const SharedSpec& spec, const DeviceNames& names);
  Slot* find(const std::string& name);
  void tell_all(const TunnelEvent& event);
  TunnelReport report_of(const Slot& slot, TimePoint now) const;
  /// Nothing, or why it is refused.
  std::optional<std::string> take_over(const ConfigurationRead& read);
  std::string refuse_reload(const config::Problems& problems);
  /// Added or changed, and not back to what still serves.
  bool is_touched(const TunnelSpec& next);
  /// With the tunnels that are to be held.
  Config running() const;
  void apply(const Config& next, const Names& names);
  void on_network_change(const net::NetworkChange& change);
  /// The way to the relays may be another one now.
  void network_changed();
  void on_change();
  /// What a change brings with it: successors take over, who has left is forgotten, their bytes are counted, outages
  /// are looked at, and `changed` is told. While it stops, it tells `changed` only, and `stopped` at the end.
  void follow_up();

  Equipment equipment_;
  Config settings_;  ///< without the tunnels, which their slots keep
  const std::function<void()> changed_;
  const std::function<void()> stopped_;
  std::optional<net::NetworkWatcher> network_;
  std::optional<net::ResumeWatcher> sleep_;
  std::vector<Slot> slots_;
  DataCounts data_;
  Tidying tidying_;
  OutageWatch outages_;
  ConfigurationReport configuration_;
  Reloads reloads_;
  std::optional<std::string> last_reload_error_;
  bool stopping_ = false;
  bool follow_up_posted_ = false;
  Lifetime lifetime_;
};

}  // namespace holdfast::supervisor
