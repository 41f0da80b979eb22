#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/report.hpp"
#include "net/network_watcher.hpp"
#include "net/resolver.hpp"
#include "net/resume_watcher.hpp"
#include "status/server.hpp"
#include "supervisor/device_id.hpp"
#include "supervisor/tunnel_runner.hpp"
#include "supervisor/usage_book.hpp"

namespace holdfast::supervisor {

/// The set of runners: starts them, replaces those that a reload changed, and stops them all.
class Supervisor final : public status::Source {
 public:
  /// `stopped` is called from the loop, once, when the last tunnel is down after stop(). `changed` is called from
  /// the loop after a tunnel changed its phase or its listeners.
  Supervisor(const boost::asio::any_io_executor& executor, std::string config_path, Config config,
             std::function<void()> changed, std::function<void()> stopped);

  void start();
  /// Every tunnel gives its listeners back and drains; then `stopped`.
  void stop();
  /// Drops everything at once; then `stopped`.
  void stop_now();

  Report report() const override;
  /// By configuration, a tunnel that only a new process may mend is a reason for one; see is_wedged().
  bool wants_restart() const;
  std::optional<std::string> reload() override;
  bool reconnect(const std::string& tunnel) override;

 private:
  /// A tunnel's place. While a changed or removed tunnel is on its way down, `successor` waits, so that two
  /// sessions of one tunnel never compete for the same listener.
  struct Slot {
    std::unique_ptr<TunnelRunner> runner;
    std::optional<TunnelSpec> successor;
    bool leaving = false;
    std::uint64_t counted = 0;  ///< of the runner's bytes, those that are in the book
    IdleCost idle{};
  };

  std::unique_ptr<TunnelRunner> make_runner(const TunnelSpec& spec);
  Slot* find(const std::string& name);
  void apply(const Config& next);
  void on_network_change(const net::NetworkChange& change);
  /// The way to the relays may be another one now.
  void network_changed();
  void on_change();
  void reap();
  /// Enters in the book what the tunnels cost since the last time.
  void count_bytes();
  void count_bytes(Slot& slot, std::chrono::sys_seconds now);
  void count_bytes_again();
  /// Once what happened is over, and then for what visitors left behind.
  void tidy_up_after(Duration wait);
  DataReport data_of(const Slot& slot, std::chrono::sys_seconds now) const;

  boost::asio::any_io_executor executor_;
  const std::string config_path_;
  Config config_;
  const std::function<void()> changed_;
  const std::function<void()> stopped_;
  const TimePoint started_;
  net::Resolver resolver_;
  const DeviceId device_id_;
  std::optional<net::NetworkWatcher> network_;
  std::optional<net::ResumeWatcher> sleep_;
  UnitRandom jitter_;
  std::vector<Slot> slots_;
  UsageBook book_;
  boost::asio::steady_timer count_timer_;
  boost::asio::steady_timer tidy_timer_;
  std::uint64_t tidied_ = 0;  ///< the runners' activity at that time
  std::optional<std::string> last_reload_error_;
  bool stopping_ = false;
  bool reap_posted_ = false;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  ///< what posted handlers check
};

}  // namespace holdfast::supervisor
