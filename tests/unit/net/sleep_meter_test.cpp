#include <doctest/doctest.h>

#include <chrono>

#include "net/resume_watcher.hpp"

using namespace holdfast::net;
using namespace std::chrono_literals;

TEST_CASE("a resume shows as the time by which one clock went on alone") {
  SleepMeter meter({100s, 90s});
  CHECK_FALSE(meter.slept({160s, 150s}));
  CHECK(meter.slept({3760s, 160s}) == 3590s);
  CHECK_FALSE(meter.slept({3770s, 170s}));  // told once
  CHECK(meter.slept({3782s, 180s}) == 2s);
}

TEST_CASE("a wall clock that is set, or a short pause between two readings, is no resume") {
  SleepMeter meter({100s, 90s});
  CHECK_FALSE(meter.slept({100s, 90s}));  // the wall clock is in neither reading
  CHECK_FALSE(meter.slept({101s + 400ms, 91s}));
}

TEST_CASE("the clocks of this machine are read close together") {
  SleepMeter meter(read_clocks());
  CHECK_FALSE(meter.slept(read_clocks()));
}
