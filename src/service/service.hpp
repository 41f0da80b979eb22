#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

/// systemd's side of the process: sd_notify(3), the watchdog, signals. Without systemd the notifications go nowhere.
namespace holdfast::service {

void notify_ready();
void notify_status(const std::string& text);  ///< STATUS=, one line
void notify_reloading();                      ///< RELOADING=1 with MONOTONIC_USEC
void notify_stopping();

/// Feeds the watchdog from the event loop at half of WATCHDOG_USEC, as long as `well` says so: a loop that hangs is
/// killed and restarted.
class Watchdog {
 public:
  explicit Watchdog(
      const boost::asio::any_io_executor& executor, std::function<bool()> well = [] { return true; });
  ~Watchdog();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

struct SignalHandlers {
  std::function<void()> stop;      ///< the first SIGTERM or SIGINT
  std::function<void()> stop_now;  ///< each further one
  std::function<void()> reload;    ///< SIGHUP
};

class Signals {
 public:
  Signals(const boost::asio::any_io_executor& executor, SignalHandlers handlers);
  ~Signals();

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace holdfast::service
