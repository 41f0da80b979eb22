#include "lab/link_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "lab/link_control.hpp"

namespace holdfast::lab {
namespace {

using namespace std::chrono_literals;

const TimePoint start{100s};

Packet packet(std::size_t size, std::uint8_t mark = 0) {
  return Packet(size, mark);
}

std::vector<int> marks(const std::vector<Packet>& packets) {
  std::vector<int> result;
  for (const Packet& one : packets) {
    result.push_back(one.at(0));
  }
  return result;
}

TEST_CASE("a packet arrives after the delay and not before") {
  LinkModel link(1);
  CHECK_FALSE(link.next_due());
  link.configure({.delay = 30ms});
  link.offer(start, packet(100));
  REQUIRE(link.next_due());
  CHECK(*link.next_due() == start + 30ms);
  CHECK(link.take_due(start + 29ms).empty());
  CHECK(link.take_due(start + 30ms).size() == 1);
  CHECK_FALSE(link.next_due());
  CHECK(link.counters().delivered == Count{1, 100});
}

TEST_CASE("jitter stays within its bounds, and keeps the order unless told otherwise") {
  for (const bool keep_order : {true, false}) {
    CAPTURE(keep_order);
    LinkModel link(7);
    link.configure({.delay = 10ms, .jitter = 200ms, .keep_order = keep_order});
    for (int i = 0; i < 100; ++i) {
      link.offer(start, packet(10, static_cast<std::uint8_t>(i)));
    }
    CHECK(link.take_due(start + 10ms - 1ns).empty());
    std::vector<int> arrived = marks(link.take_due(start + 210ms));
    REQUIRE(arrived.size() == 100);
    CHECK(std::is_sorted(arrived.begin(), arrived.end()) == keep_order);
  }
}

TEST_CASE("jitter spreads the arrivals over its whole range") {
  LinkModel link(3);
  link.configure({.jitter = 100ms, .keep_order = false});
  for (int i = 0; i < 1000; ++i) {
    link.offer(start, packet(1));
  }
  CHECK(link.take_due(start + 50ms).size() > 400);
  CHECK(link.take_due(start + 90ms).size() > 300);
  CHECK(link.take_due(start + 100ms).size() > 50);
}

TEST_CASE("the line sends at its rate and no faster") {
  LinkModel link(1);
  link.configure({.delay = 5ms, .rate = 8'000'000});  // a byte a microsecond
  for (int i = 0; i < 3; ++i) {
    link.offer(start, packet(1000));
  }
  CHECK(link.take_due(start + 6ms - 1ns).empty());
  CHECK(link.take_due(start + 6ms).size() == 1);
  CHECK(link.take_due(start + 7ms).size() == 1);
  CHECK(link.take_due(start + 8ms).size() == 1);
  link.offer(start + 1s, packet(1000));  // an idle line saves nothing up
  CHECK(*link.next_due() == start + 1s + 6ms);
}

TEST_CASE("a full queue drops what comes on top, and takes again when it has drained") {
  LinkModel link(1);
  link.configure({.rate = 8'000'000, .queue = 3000});
  for (int i = 0; i < 5; ++i) {
    link.offer(start, packet(1000));
  }
  CHECK(link.counters().dropped == Count{2, 2000});
  link.offer(start + 1ms, packet(1000));
  CHECK(link.counters().dropped == Count{2, 2000});
  CHECK(link.take_due(start + 1s).size() == 4);
}

TEST_CASE("loss takes its share, and every packet is accounted for") {
  LinkModel link(42);
  link.configure({.loss = 0.05});
  for (int i = 0; i < 10'000; ++i) {
    link.offer(start, packet(20));
  }
  CHECK(link.counters().lost.packets > 400);
  CHECK(link.counters().lost.packets < 600);
  const std::size_t arrived = link.take_due(start).size();
  CHECK(arrived + link.counters().lost.packets == 10'000);
}

TEST_CASE("the same seed gives the same fate, another seed another") {
  const auto run = [](std::uint64_t seed) {
    LinkModel link(seed);
    link.configure({.jitter = 50ms, .loss = 0.3, .keep_order = false});
    for (int i = 0; i < 200; ++i) {
      link.offer(start, packet(10, static_cast<std::uint8_t>(i)));
    }
    return marks(link.take_due(start + 1s));
  };
  CHECK(run(5) == run(5));
  CHECK(run(5) != run(6));
}

TEST_CASE("a blackhole swallows what is offered and what is under way") {
  LinkModel link(1);
  link.configure({.delay = 30ms});
  link.offer(start, packet(100));
  link.configure({.delay = 30ms, .blackhole = true});
  link.offer(start + 1ms, packet(50));
  CHECK(link.take_due(start + 1s).empty());
  CHECK(link.counters().swallowed == Count{2, 150});
  link.configure({.delay = 30ms});
  link.offer(start + 2s, packet(10));
  CHECK(link.take_due(start + 3s).size() == 1);
}

TEST_CASE("flush forgets what is under way and frees the line") {
  LinkModel link(1);
  link.configure({.delay = 30ms, .rate = 8000});
  link.offer(start, packet(1000));
  link.flush();
  CHECK_FALSE(link.next_due());
  CHECK(link.counters().swallowed == Count{1, 1000});
  link.offer(start, packet(10));
  CHECK(*link.next_due() == start + 40ms);
}

TEST_CASE("the control socket's lines change one direction or both, all of a line or nothing") {
  Link link(1);
  CHECK(control(link, "set both delay_ms=30 jitter_ms=0.5") == "ok");
  CHECK(control(link, "set up blackhole=1 loss=0.05 rate=1000000 queue=3000 order=0") == "ok");
  CHECK(link.up.settings() == LinkSettings{30ms, 500us, 0.05, 1'000'000, 3000, false, true});
  CHECK(link.down.settings() == LinkSettings{.delay = 30ms, .jitter = 500us});
  for (const char* bad :
       {"", "set", "set sideways delay_ms=1", "set up delay_ms=1 loss=1.5", "set up delay_ms", "set up delay_ms=-1",
        "set up delay_ms=1x", "set up delay_ms=nan", "set up delay=1", "stat"}) {
    CAPTURE(bad);
    CHECK(control(link, bad).starts_with("error: "));
  }
  CHECK(link.up.settings().delay == 30ms);
  LinkSettings settings{12ms, 3ms, 0.25, 5000, 99, false, true};
  CHECK(control(link, set_line("down", settings)) == "ok");
  CHECK(link.down.settings() == settings);
}

TEST_CASE("stats tell each direction apart and can be read back") {
  Link link(1);
  link.up.offer(start, packet(100));
  link.up.take_due(start);
  link.down.configure({.blackhole = true});
  link.down.offer(start, packet(60));
  const LinkStats stats = parse_stats(control(link, "stats"));
  CHECK(stats.up == link.up.counters());
  CHECK(stats.down == link.down.counters());
  CHECK(stats.down.swallowed == Count{1, 60});
  CHECK_THROWS(parse_stats("up offered=1/2"));
}

}  // namespace
}  // namespace holdfast::lab
