#include "holdfast/backoff.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

constexpr Duration old_outage = 24h;

}  // namespace

TEST_CASE("a wait is doubled so many times, and no longer than the longest") {
  CHECK(doubled(10s, 0, 1min) == 10s);
  CHECK(doubled(10s, 1, 1min) == 20s);
  CHECK(doubled(10s, 2, 1min) == 40s);
  CHECK(doubled(10s, 3, 1min) == 1min);
  CHECK(doubled(10s, 1000, 1min) == 1min);
  CHECK(doubled(2min, 0, 1min) == 1min);
  CHECK(doubled(0s, 3, 1min) == 0s);
  CHECK(doubled(Duration::max() / 3, 2, Duration::max()) == Duration::max());
}

TEST_CASE("waits double up to the cap, and the jitter spreads each over its whole range") {
  const BackoffSpec spec;
  const auto highest = [] { return 0.9999999; };
  Backoff backoff;
  for (const auto limit : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    const Duration wait = backoff.next_wait(spec, Cause::connection_refused, old_outage, highest);
    CHECK(wait < limit);
    CHECK(wait > limit - 1ms);
  }
  CHECK(backoff.next_wait(spec, Cause::connection_refused, old_outage, [] { return 0.0; }) == 0s);
}

TEST_CASE("while an outage of the network is young no wait is longer than an eighth of it") {
  const BackoffSpec spec;
  const auto highest = [] { return 0.9999999; };
  Backoff backoff;
  for (int n = 0; n < 10; ++n) backoff.next_wait(spec, Cause::connection_lost, old_outage, highest);
  CHECK(backoff.next_wait(spec, Cause::connection_lost, 0s, highest) < 1s);
  CHECK(backoff.next_wait(spec, Cause::connection_lost, 40s, highest) < 5s);
  CHECK(backoff.next_wait(spec, Cause::connection_lost, 40s, highest) > 4900ms);
  for (int n = 0; n < 10; ++n) backoff.next_wait(spec, Cause::authentication_refused, 0s, highest);
  CHECK(backoff.next_wait(spec, Cause::authentication_refused, 0s, highest) > 14min);
}

TEST_CASE("each family of causes counts for itself") {
  const BackoffSpec spec;
  const auto half = [] { return 0.5; };
  Backoff backoff;
  for (int n = 0; n < 10; ++n) backoff.next_wait(spec, Cause::authentication_refused, old_outage, half);
  CHECK(backoff.next_wait(spec, Cause::connection_lost, old_outage, half) == 500ms);
  CHECK(backoff.next_wait(spec, Cause::forward_refused, old_outage, half) == 1s);
  CHECK(backoff.next_wait(spec, Cause::authentication_refused, old_outage, half) == 7min + 30s);
  backoff.reset();
  CHECK(backoff == Backoff{});
  CHECK(backoff.next_wait(spec, Cause::authentication_refused, old_outage, half) == 30s);
}

TEST_CASE("a first wait above the cap is cut to the cap, and huge schedules do not overflow") {
  BackoffSpec spec;
  const auto highest = [] { return 0.9999999; };
  spec.network = {10s, 3s};
  Backoff backoff;
  CHECK(backoff.next_wait(spec, Cause::connection_lost, old_outage, highest) < 3s);
  spec.network = {Duration::max() / 3, Duration::max()};
  for (int n = 0; n < 200; ++n)
    CHECK(backoff.next_wait(spec, Cause::connection_lost, old_outage, [] { return 0.5; }) >= 0s);
}

TEST_CASE("what a changed key or a refused login costs is counted in minutes, a lost link in seconds") {
  CHECK(facts_of(Cause::connection_timed_out).family == BackoffFamily::network);
  CHECK(facts_of(Cause::relay_silent).family == BackoffFamily::network);
  CHECK(facts_of(Cause::forward_refused).family == BackoffFamily::listener);
  CHECK(facts_of(Cause::agent_unusable).family == BackoffFamily::listener);
  CHECK(facts_of(Cause::host_key_changed).family == BackoffFamily::refused);
  CHECK(facts_of(Cause::authentication_refused).family == BackoffFamily::refused);
}
