#include "supervisor/teller.hpp"

#include <doctest/doctest.h>

using namespace holdfast;

TEST_CASE("what is told has a number of its own, one more than the one before, and the times at which it is told") {
  supervisor::Teller teller;
  const TimePoint began = Clock::now();
  const auto wall = std::chrono::floor<WallTime::duration>(std::chrono::system_clock::now());
  const Told first = teller.tell(DrainBegan{});
  const Told second = teller.tell(TunnelStopped{});
  CHECK(first.number == 1);
  CHECK(second.number == 2);
  CHECK(first.what == Happening{DrainBegan{}});
  CHECK(second.what == Happening{TunnelStopped{}});
  CHECK(first.at >= began);
  CHECK(second.at >= first.at);
  CHECK(first.wall >= wall);
}
