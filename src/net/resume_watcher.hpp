#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <chrono>
#include <functional>
#include <optional>

#include "holdfast/lifetime.hpp"

namespace holdfast::net {

/// CLOCK_BOOTTIME runs on while the machine sleeps, CLOCK_MONOTONIC does not (clock_gettime(2)); setting the wall clock
/// moves neither.
struct ClockReading {
  std::chrono::nanoseconds boottime{};
  std::chrono::nanoseconds monotonic{};
};

ClockReading read_clocks();

/// Tells from two readings how long the machine slept between them.
class SleepMeter {
 public:
  explicit SleepMeter(const ClockReading& first) : offset_(first.boottime - first.monotonic) {}

  /// Since the last call; none for less than a second, which no route or address notices.
  std::optional<std::chrono::nanoseconds> slept(const ClockReading& now);

 private:
  std::chrono::nanoseconds offset_;
};

/// Tells when the machine wakes from suspend, without waking it: a timer that never expires is cancelled by the kernel
/// whenever CLOCK_REALTIME jumps (TFD_TIMER_CANCEL_ON_SET, timerfd_create(2)), as it does in a resume.
class ResumeWatcher {
 public:
  using ReadClocks = std::function<ClockReading()>;

  /// `resumed` is called from the loop. A kernel without such timers tells nothing.
  ResumeWatcher(const boost::asio::any_io_executor& executor,
                std::function<void(std::chrono::nanoseconds slept)> resumed, ReadClocks clocks = read_clocks);
  /// Takes a descriptor in the timer's place: whenever it is readable, the wall clock has jumped.
  ResumeWatcher(const boost::asio::any_io_executor& executor, int jumps,
                std::function<void(std::chrono::nanoseconds slept)> resumed, ReadClocks clocks);

 private:
  void wait();

  const std::function<void(std::chrono::nanoseconds)> resumed_;
  const ReadClocks clocks_;
  SleepMeter meter_;
  boost::asio::posix::stream_descriptor jumps_;
  Lifetime lifetime_;
};

}  // namespace holdfast::net
