#include "service/service.hpp"

#include <sys/prctl.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <utility>

#include "worker/worker.hpp"

namespace holdfast::service {
namespace {

namespace asio = boost::asio;

/// One of each kind that there is: ready, status, reloading, stopping, watchdog.
Worker& worker() {
  static Worker instance{5};
  return instance;
}

void notify(const std::string& state) {
  // sd_notify() waits while the socket is full. Nobody to tell is no reason to do anything else.
  worker().post([state] { static_cast<void>(sd_notify(0, state.c_str())); }, state.substr(0, state.find('=')));
}

}  // namespace

void hide_memory() {
#ifndef __SANITIZE_ADDRESS__
  ::prctl(PR_SET_DUMPABLE, 0);
#endif
}

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

bool flush(std::chrono::milliseconds patience) {
  return worker().flush(patience);
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
