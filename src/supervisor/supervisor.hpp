#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/load.hpp"
#include "doctor/examination.hpp"
#include "holdfast/config.hpp"
#include "holdfast/outage.hpp"
#include "holdfast/report.hpp"
#include "net/disk.hpp"
#include "net/network_watcher.hpp"
#include "net/resolver.hpp"
#include "net/resume_watcher.hpp"
#include "ssh/storage.hpp"
#include "status/server.hpp"
#include "supervisor/alarm.hpp"
#include "supervisor/device_id.hpp"
#include "supervisor/reloads.hpp"
#include "supervisor/runs.hpp"
#include "supervisor/tunnel_runner.hpp"
#include "supervisor/usage_book.hpp"

namespace holdfast::supervisor {

/// The set of runners: starts them, replaces those that a reload changed, and stops them all.
class Supervisor final : public status::Source {
 public:
  /// `stopped` is called from the loop, once, when the last tunnel is down after stop(). `changed` is called from
  /// the loop after a tunnel changed its phase or its listeners.
  /// `only`: see supervisor/share.hpp; `config` is already that share.
  /// `recorder`: null if nothing is recorded.
  Supervisor(const boost::asio::any_io_executor& executor, std::string config_path, std::string only, Config config,
             std::shared_ptr<record::Recorder> recorder, std::function<void()> changed, std::function<void()> stopped);

  void start();
  /// Every tunnel gives its listeners back and drains; then `stopped`.
  void stop();
  /// Drops everything at once; then `stopped`.
  void stop_now();

  /// Once stopped: waits until what is to be kept is written, but no longer than `patience`; false if it is not.
  bool flush(std::chrono::milliseconds patience) { return disk_->flush(patience); }

  Report report() const override;
  /// By configuration, a tunnel that only a new process may mend is a reason for one; see is_wedged().
  bool wants_restart() const;
  void reload(Reloaded then) override;
  bool reconnect(const std::string& tunnel) override;
  std::shared_ptr<void> examine(const std::string& tunnel, Tell tell) override;

 private:
  /// A configuration of a tunnel, running.
  struct Holder {
    TunnelSpec spec;  ///< as configured: the runner may have put its relays into another order
    std::unique_ptr<TunnelRunner> runner;
  };

  /// A tunnel's place. A changed tunnel's successor logs in beside it, and stands by; only then does the tunnel give
  /// its listeners to it, so that two sessions of one tunnel never compete for the same listener.
  struct Slot {
    Holder current;
    std::optional<Holder> successor{};
    std::vector<std::unique_ptr<TunnelRunner>> former{};  ///< on their way out, without a listener
    bool handing_over = false;                            ///< `current` was told to give its listeners up
    bool leaving = false;
    std::uint64_t counted = 0;          ///< of the runners' bytes, those that are in the book
    std::uint64_t former_received = 0;  ///< by runners that are gone
    std::uint64_t former_sent = 0;
    IdleCost idle{};
    Outage outage{};
    std::unique_ptr<doctor::Examination> looking{};  ///< at what costs no packet, for the outage
    bool wants_look = false;                         ///< and waits for another one's to end

    std::vector<TunnelRunner*> runners() const;
    bool stopped() const;
    bool idle_now() const;
    std::uint64_t activity() const;
    std::uint64_t wire_bytes() const;
  };

  using Names = ConfigurationRead::Names;

  Holder make_holder(const TunnelSpec& spec, const DeviceNames& names);
  Slot* find(const std::string& name);
  /// A changed tunnel, or one that was removed and is not gone yet.
  void change(Slot& slot, const TunnelSpec& spec, const DeviceNames& names);
  void drop_successor(Slot& slot);
  void hand_over(Slot& slot);
  void forget_stopped(Slot& slot);
  void tell_all(const TunnelEvent& event);
  static void tell_of(const Slot& slot, const std::string& text);
  TunnelReport report_of(const Slot& slot, TimePoint now) const;
  /// Nothing, or why it is refused.
  std::optional<std::string> take_over(const ConfigurationRead& read);
  std::string refuse_reload(const config::Problems& problems);
  bool is_touched(const TunnelSpec& next);
  void apply(const Config& next, const Names& names);
  void on_network_change(const net::NetworkChange& change);
  /// The way to the relays may be another one now.
  void network_changed();
  void on_change();
  void reap();
  /// Enters in the book what the tunnels cost since the last time.
  void count_bytes();
  void count_bytes(Slot& slot, std::chrono::sys_seconds now);
  void count_bytes_again();
  void save_book(bool at_once);
  /// Once what happened is over, and then for what visitors left behind.
  void tidy_up_after(Duration wait);
  /// What stays down is looked at; see Outage.
  void watch_outages();
  void look_silently(Slot& slot);
  void outage_found(const std::string& tunnel, Findings looked);
  doctor::Patient patient_of(const Slot& slot, TunnelReport report);
  DataReport data_of(const Slot& slot, std::chrono::sys_seconds now) const;

  boost::asio::any_io_executor executor_;
  const std::string only_;
  Config config_;
  const std::shared_ptr<record::Recorder> recorder_;
  const std::function<void()> changed_;
  const std::function<void()> stopped_;
  const TimePoint started_;
  const std::shared_ptr<net::Disk> disk_;
  const std::shared_ptr<ssh::Storage> storage_;
  net::Resolver resolver_;
  const DeviceId device_id_;
  const Runs runs_;
  std::optional<net::NetworkWatcher> network_;
  std::optional<net::ResumeWatcher> sleep_;
  UnitRandom jitter_;
  Teller teller_;
  std::vector<Slot> slots_;
  UsageBook book_;
  boost::asio::steady_timer count_timer_;
  boost::asio::steady_timer tidy_timer_;
  Alarm outage_alarm_;
  std::uint64_t tidied_ = 0;  ///< the runners' activity at that time
  std::optional<std::string> last_reload_error_;
  Reloads reloads_;
  bool stopping_ = false;
  bool reap_posted_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  ///< what posted handlers check
};

}  // namespace holdfast::supervisor
