#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

/// systemd's side of the process: sd_notify(3), the watchdog, signals; and what protects it from its neighbours.
/// Without systemd the notifications go nowhere. A thread sends them: systemd can be slow to take them, and the newest
/// of each kind waits for it.
namespace holdfast::service {

/// No core file, and no debugger of the same user, gets to see the private key (prctl(2), PR_SET_DUMPABLE). /proc/PID
/// then belongs to root. Does nothing under AddressSanitizer, whose leak check attaches to its own process.
void hide_memory();

void notify_ready();
void notify_status(const std::string& text);  ///< STATUS=, one line
void notify_reloading();                      ///< RELOADING=1 with MONOTONIC_USEC
void notify_stopping();
/// Whether all is sent; waits for that no longer than `patience`.
bool flush(std::chrono::milliseconds patience);

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
