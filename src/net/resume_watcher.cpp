#include "net/resume_watcher.hpp"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <utility>

namespace holdfast::net {
namespace {

using std::chrono::nanoseconds;

nanoseconds read_clock(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::chrono::seconds{now.tv_sec} + nanoseconds{now.tv_nsec};
}

/// -1 if the kernel has none.
int timer_that_wall_clock_jumps_cancel() {
  const int timer = ::timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
  itimerspec never{};
  never.it_value.tv_sec = std::numeric_limits<time_t>::max();
  if (timer >= 0 && ::timerfd_settime(timer, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) != 0) {
    ::close(timer);
    return -1;
  }
  return timer;
}

}  // namespace

ClockReading read_clocks() {
  ClockReading reading;
  // A pause of this process between the two must not look like sleep.
  for (int tries = 0; tries < 5; ++tries) {
    reading.monotonic = read_clock(CLOCK_MONOTONIC);
    reading.boottime = read_clock(CLOCK_BOOTTIME);
    if (read_clock(CLOCK_MONOTONIC) - reading.monotonic < std::chrono::milliseconds{10}) break;
  }
  return reading;
}

std::optional<nanoseconds> SleepMeter::slept(const ClockReading& now) {
  const nanoseconds offset = now.boottime - now.monotonic;
  const nanoseconds slept = offset - std::exchange(offset_, offset);
  return slept < std::chrono::seconds{1} ? std::nullopt : std::optional{slept};
}

ResumeWatcher::ResumeWatcher(const boost::asio::any_io_executor& executor, std::function<void(nanoseconds)> resumed,
                             ReadClocks clocks)
    : ResumeWatcher(executor, timer_that_wall_clock_jumps_cancel(), std::move(resumed), std::move(clocks)) {}

ResumeWatcher::ResumeWatcher(const boost::asio::any_io_executor& executor, int jumps,
                             std::function<void(nanoseconds)> resumed, ReadClocks clocks)
    : resumed_(std::move(resumed)), clocks_(std::move(clocks)), meter_(clocks_()), jumps_(executor) {
  if (jumps < 0) return;
  jumps_.assign(jumps);
  wait();
}

void ResumeWatcher::wait() {
  jumps_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    lifetime_.guard([this](const boost::system::error_code& error) {
                      if (error) return;
                      std::uint64_t ignored = 0;
                      // ECANCELED is the jump; the timer stays armed and is cancelled again by the next one.
                      const ssize_t got = ::read(jumps_.native_handle(), &ignored, sizeof ignored);
                      if (got < 0 && errno != ECANCELED && errno != EAGAIN && errno != EINTR) return;
                      wait();
                      if (const auto slept = meter_.slept(clocks_())) resumed_(*slept);
                    }));
}

}  // namespace holdfast::net
