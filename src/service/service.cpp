#include "service/service.hpp"

#include <systemd/sd-daemon.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <utility>

namespace holdfast::service {
namespace {

namespace asio = boost::asio;

void notify(const std::string& state) {
  // Nobody to tell, or a notification socket that is full: neither is a reason to do anything else.
  static_cast<void>(sd_notify(0, state.c_str()));
}

}  // namespace

void notify_ready() {
  notify("READY=1");
}

void notify_status(const std::string& text) {
  std::string one_line = text;
  std::replace_if(
      one_line.begin(), one_line.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }, ' ');
  notify("STATUS=" + one_line);
}

void notify_reloading() {
  // steady_clock is CLOCK_MONOTONIC, which is what systemd compares with (sd_notify(3), Type=notify-reload).
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  notify("RELOADING=1\nMONOTONIC_USEC=" +
         std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
}

void notify_stopping() {
  notify("STOPPING=1");
}

class Watchdog::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const asio::any_io_executor& executor, std::chrono::microseconds period, std::function<bool()> well)
      : timer_(executor), period_(period), well_(std::move(well)) {}

  void feed() {
    if (well_()) notify("WATCHDOG=1");
    timer_.expires_after(period_);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (self && !error) self->feed();
    });
  }

 private:
  asio::steady_timer timer_;
  std::chrono::microseconds period_;
  std::function<bool()> well_;
};

Watchdog::Watchdog(const asio::any_io_executor& executor, std::function<bool()> well) {
  std::uint64_t timeout_usec = 0;
  if (sd_watchdog_enabled(0, &timeout_usec) <= 0) return;
  impl_ = std::make_shared<Impl>(executor, std::chrono::microseconds{timeout_usec / 2}, std::move(well));
  impl_->feed();
}

Watchdog::~Watchdog() = default;

class Signals::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const asio::any_io_executor& executor, SignalHandlers handlers)
      : signals_(executor, SIGTERM, SIGINT, SIGHUP), handlers_(std::move(handlers)) {}

  void wait() {
    signals_.async_wait([weak = weak_from_this()](const boost::system::error_code& error, int signal) {
      const auto self = weak.lock();
      if (!self || error) return;
      self->wait();
      self->handle(signal);
    });
  }

 private:
  void handle(int signal) {
    if (signal == SIGHUP) {
      handlers_.reload();
    } else if (!std::exchange(stopping_, true)) {
      handlers_.stop();
    } else {
      handlers_.stop_now();
    }
  }

  asio::signal_set signals_;
  SignalHandlers handlers_;
  bool stopping_ = false;
};

/// Those that would end the process by default although nothing is wrong with it, and its listeners would stay up. Of
/// SIGPIPE and SIGXFSZ the call that met them tells by its error. What a fault raises (SIGSEGV and the like), SIGABRT
/// and SIGQUIT go on ending it.
void ignore_the_others() {
  for (const int signal :
       {SIGPIPE, SIGXFSZ, SIGXCPU, SIGUSR1, SIGUSR2, SIGALRM, SIGVTALRM, SIGPROF, SIGPOLL, SIGPWR, SIGSTKFLT}) {
    std::signal(signal, SIG_IGN);
  }
  for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) std::signal(signal, SIG_IGN);
}

Signals::Signals(const asio::any_io_executor& executor, SignalHandlers handlers) {
  ignore_the_others();
  impl_ = std::make_shared<Impl>(executor, std::move(handlers));
  impl_->wait();
}

Signals::~Signals() = default;

}  // namespace holdfast::service
