#include "holdfast/liveness.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;
using Said = Liveness::Outcome;

TEST_CASE("an interval of zero never probes and never dies") {
  Liveness liveness{{0s, 3}, TimePoint{}};
  CHECK_FALSE(liveness.due());
  CHECK(liveness.expired(TimePoint{24h}) == Said::alive);
}

TEST_CASE("a count of zero dies at the first silent interval, as OpenSSH's client does") {
  Liveness liveness{{15s, 0}, TimePoint{}};
  CHECK(liveness.expired(TimePoint{15s}) == Said::dead);
}

TEST_CASE("an early expiry means nothing") {
  Liveness liveness{{15s, 3}, TimePoint{}};
  const Liveness before = liveness;
  CHECK(liveness.expired(TimePoint{14s}) == Said::alive);
  CHECK(liveness == before);
}

TEST_CASE("traffic that never stops needs no probe") {
  Liveness liveness{{15s, 1}, TimePoint{}};
  for (TimePoint now{}; now < TimePoint{1h}; now += 14s) {
    CHECK(liveness.expired(now) == Said::alive);
    liveness.received_bytes(now);
    liveness.received_packet();
  }
}

TEST_CASE("economy: the sshd is asked for a sign of life only after every so many silent intervals") {
  Liveness liveness{{60s, 3, 5}, TimePoint{}};
  for (TimePoint acknowledged{}; acknowledged < TimePoint{300s}; acknowledged += 60s) {
    liveness.acknowledged(acknowledged);
    CHECK(liveness.expired(acknowledged + 1s) == Said::alive);
  }
  CHECK(liveness.due() == TimePoint{300s});
  CHECK(liveness.expired(TimePoint{300s}) == Said::send_probe);
}

TEST_CASE("economy: a path on which nothing is acknowledged is dead as soon as without it") {
  Liveness liveness{{60s, 3, 5}, TimePoint{}};
  CHECK(liveness.due() == TimePoint{240s});
  liveness.acknowledged(TimePoint{61s});
  CHECK(liveness.expired(TimePoint{240s}) == Said::alive);
  CHECK(liveness.expired(TimePoint{300s}) == Said::send_probe);
  CHECK(liveness.expired(TimePoint{300s + 999ms}) == Said::alive);
  CHECK(liveness.expired(TimePoint{301s}) == Said::unreachable);
}

TEST_CASE("economy: acknowledgements do not keep a relay alive whose sshd answers no probe") {
  const LivenessSpec spec{60s, 3, 5};
  Liveness liveness{spec, TimePoint{}};
  unsigned probes = 0;
  TimePoint now{};
  for (Said verdict = Said::alive; verdict != Said::dead;) {
    now = *liveness.due();
    liveness.acknowledged(now - 1s);
    verdict = liveness.expired(now);
    REQUIRE(verdict != Said::unreachable);
    if (verdict == Said::send_probe) ++probes;
  }
  CHECK(probes == 3);
  CHECK(now == TimePoint{480s});
  CHECK(longest_debt(spec) == 480s);
}

TEST_CASE("without economy an acknowledgement is no sign of life") {
  Liveness liveness{{60s, 0}, TimePoint{}};
  liveness.acknowledged(TimePoint{59s});
  CHECK(liveness.expired(TimePoint{60s}) == Said::dead);
}

TEST_CASE("bytes that never make a packet put death off but do not forget the probes") {
  Liveness liveness{{10s, 1}, TimePoint{}};
  CHECK(liveness.expired(TimePoint{10s}) == Said::send_probe);
  liveness.received_bytes(TimePoint{15s});
  CHECK(liveness.expired(TimePoint{20s}) == Said::alive);
  CHECK(liveness.expired(TimePoint{25s}) == Said::dead);
}
