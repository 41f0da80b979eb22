#include "ssh/packet_ration.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;
using ssh::PacketRation;

namespace {

constexpr TimePoint start = TimePoint{} + 1h;

}  // namespace

TEST_CASE("keepalives, and an exchange of keys now and then, are never made to wait") {
  PacketRation ration;
  TimePoint now = start;
  for (int round = 0; round < 10'000; ++round) CHECK(ration.took_in({4, 0, 0}, now += 1s) == 0s);
}

TEST_CASE("no amount of data is made to wait, in either direction") {
  PacketRation ration;
  TimePoint now = start;
  for (int round = 0; round < 10'000; ++round) {
    CHECK(ration.took_in({32, 32, 0}, now += 10us) == 0s);     // data that came
    CHECK(ration.took_in({8 + 30, 8, 0}, now += 10us) == 0s);  // data that went, and many small windows for it
  }
}

TEST_CASE("a thousand connections that end at once are not made to wait") {
  PacketRation ration;
  CHECK(ration.took_in({2000, 2000, 0}, start) == 0s);
}

TEST_CASE("a flood gets a burst, and then so many packets a second") {
  PacketRation ration;
  TimePoint now = start;
  std::uint64_t taken = 0;
  while (now < start + 4s) {
    taken += 40;
    const Duration pause = ration.took_in({40, 0, 0}, now);
    CHECK_FALSE(ration.is_used_up(now));
    now += pause + 1ms;
  }
  CHECK(taken >= PacketRation::burst + 4 * PacketRation::a_second - 40);
  CHECK(taken <= PacketRation::burst + 4 * PacketRation::a_second + 80);
}

TEST_CASE("a flood that goes on comes to an end, and one that stops is forgiven") {
  PacketRation ration;
  TimePoint now = start;
  while (!ration.is_used_up(now)) {
    now += ration.took_in({40, 0, 0}, now) + 1ms;
    REQUIRE(now < start + 10s);
  }
  CHECK(now - start > PacketRation::patience);
  now += 30s;
  CHECK(ration.took_in({40, 0, 0}, now) == 0s);
  CHECK_FALSE(ration.is_used_up(now));
}

TEST_CASE("who takes a little too much for hours is slowed down and not ended at once") {
  PacketRation ration;
  TimePoint now = start;
  ration.took_in({PacketRation::burst, 0, 0}, now);
  CHECK(ration.took_in({10'000, 0, 0}, now) == PacketRation::longest_pause);
  CHECK_FALSE(ration.is_used_up(now));
}

TEST_CASE("visitors that do nothing are slowed down, and end no session") {
  PacketRation ration;
  TimePoint now = start;
  Duration paused{};
  while (now < start + 60s) {
    const Duration pause = ration.took_in({40, 0, 40}, now);
    REQUIRE_FALSE(ration.is_used_up(now));
    paused += pause;
    now += pause + 1ms;
  }
  CHECK(paused > 50s);
}
