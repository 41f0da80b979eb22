#include "service/service.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "worker/datagram.hpp"
#include "worker/worker.hpp"

namespace holdfast::service {
namespace {

namespace asio = boost::asio;

/// One of each kind that there is: ready, status, reloading, stopping, watchdog.
Worker& worker() {
  static Worker instance{5};
  return instance;
}

/// sd_notify(3), "Notes". Nobody to tell is no reason to do anything else.
void notify(const std::string& state) {
  const char* address = std::getenv("NOTIFY_SOCKET");
  if (address == nullptr) return;
  worker().post([address = std::string{address}, state] { send_datagram(address, state); },
                state.substr(0, state.find('=')));
}

/// None: the variable is not there, or it is no number.
std::optional<std::uint64_t> number_in_environment(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  const char* end = text + std::string_view{text}.size();
  std::uint64_t value = 0;
  const auto parsed = std::from_chars(text, end, value);
  return parsed.ec == std::errc{} && parsed.ptr == end ? std::optional{value} : std::nullopt;
}

/// sd_watchdog_enabled(3). None: nobody watches this process.
std::optional<std::chrono::microseconds> watchdog_timeout() {
  const auto timeout = number_in_environment("WATCHDOG_USEC");
  const auto pid = static_cast<std::uint64_t>(::getpid());
  if (!timeout || *timeout == 0 || number_in_environment("WATCHDOG_PID").value_or(pid) != pid) return std::nullopt;
  return std::chrono::microseconds{*timeout};
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
  const auto timeout = watchdog_timeout();
  if (!timeout) return;
  impl_ = std::make_shared<Impl>(executor, *timeout / 2, std::move(well));
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
