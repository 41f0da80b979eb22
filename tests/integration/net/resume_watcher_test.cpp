#include "net/resume_watcher.hpp"

#include <doctest/doctest.h>
#include <sys/eventfd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <vector>

#include "integration/net/loop.hpp"

using namespace holdfast::net;
using holdfast::test::run_until;
using namespace std::chrono_literals;

// The machine can't be suspended for a test, nor its wall clock set: an eventfd stands for the timer that the kernel
// cancels then, and the clocks are passed in.
TEST_CASE("a jump of the wall clock is a resume only if the machine slept meanwhile") {
  boost::asio::io_context loop;
  const int jumps = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  ClockReading clocks{100s, 90s};
  int readings = 0;
  std::vector<std::chrono::nanoseconds> resumes;
  const ResumeWatcher watcher(
      loop.get_executor(), jumps, [&](auto slept) { resumes.push_back(slept); },
      [&] {
        ++readings;
        return clocks;
      });
  REQUIRE(readings == 1);
  ::eventfd_write(jumps, 1);  // set, not slept
  REQUIRE(run_until(loop, [&] { return readings == 2; }));
  CHECK(resumes.empty());

  clocks = {3700s, 91s};
  ::eventfd_write(jumps, 1);
  REQUIRE(run_until(loop, [&] { return readings == 3; }));
  CHECK(resumes == std::vector<std::chrono::nanoseconds>{3599s});
  loop.poll();
  CHECK(readings == 3);  // nothing wakes it in between
}

TEST_CASE("this kernel has the timer, and it is quiet") {
  boost::asio::io_context loop;
  int readings = 0;
  const ResumeWatcher watcher(
      loop.get_executor(), [](auto) { FAIL("resumed"); },
      [&] {
        ++readings;
        return read_clocks();
      });
  CHECK_FALSE(loop.stopped());
  CHECK(loop.poll() == 0);
  CHECK(readings == 1);
}

TEST_CASE("a watcher that is gone is not called, and one without a timer tells nothing") {
  boost::asio::io_context loop;
  const int jumps = ::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
  {
    const ResumeWatcher gone(
        loop.get_executor(), jumps, [](auto) { FAIL("resumed"); }, read_clocks);
    const ResumeWatcher none(
        loop.get_executor(), -1, [](auto) { FAIL("resumed"); }, read_clocks);
  }
  loop.run();
}
