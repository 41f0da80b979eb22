#include "holdfast/liveness.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;
using Verdict = Liveness::Verdict;

TEST_CASE("an interval of zero never probes and never dies") {
  Liveness liveness{{0s, 3}, TimePoint{}};
  CHECK_FALSE(liveness.next_deadline());
  CHECK(liveness.expired(TimePoint{24h}) == Verdict::alive);
}

TEST_CASE("a count of zero dies at the first silent interval, as OpenSSH's client does") {
  Liveness liveness{{15s, 0}, TimePoint{}};
  CHECK(liveness.expired(TimePoint{15s}) == Verdict::dead);
}

TEST_CASE("an early expiry means nothing") {
  Liveness liveness{{15s, 3}, TimePoint{}};
  CHECK(liveness.expired(TimePoint{14s}) == Verdict::alive);
  CHECK(liveness.unanswered() == 0);
}

TEST_CASE("traffic that never stops needs no probe") {
  Liveness liveness{{15s, 1}, TimePoint{}};
  for (TimePoint now{}; now < TimePoint{1h}; now += 14s) {
    CHECK(liveness.expired(now) == Verdict::alive);
    liveness.received_bytes(now);
    liveness.received_packet();
  }
}

TEST_CASE("bytes that never make a packet put death off but do not forget the probes") {
  Liveness liveness{{10s, 1}, TimePoint{}};
  CHECK(liveness.expired(TimePoint{10s}) == Verdict::send_probe);
  liveness.received_bytes(TimePoint{15s});
  CHECK(liveness.expired(TimePoint{20s}) == Verdict::alive);
  CHECK(liveness.expired(TimePoint{25s}) == Verdict::dead);
}
