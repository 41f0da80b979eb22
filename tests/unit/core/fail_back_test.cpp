#include "holdfast/fail_back.hpp"

#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

using Asked = std::vector<FailBackAction>;

/// A session stands on the last of so many relays, named a, b, c; fail_back_after is ten minutes.
struct Stand {
  explicit Stand(std::size_t count) {
    for (std::size_t index = 0; index < count; ++index) {
      spec.relays.push_back({std::string(1, static_cast<char>('a' + index)) + ".example", 22, "/known", {}});
    }
    failover.resize(count);
    failover.try_at(count - 1);
    fail_back = plan();
  }

  Turn turn() const { return {spec, now, jitter}; }
  std::optional<FailBack> plan() { return FailBack::plan(turn(), failover); }
  FailBack& planned() { return fail_back.value(); }
  Asked expired() { return planned().expired(turn(), failover); }
  Asked wait() {
    now = planned().due().value();
    return expired();
  }
  Asked answers() { return planned().looked_at({}, turn(), failover); }
  Asked refuses() {
    return planned().looked_at({Failure{Cause::connection_refused, "connect to", "a.example:22", ""}}, turn(),
                               failover);
  }
  Conclusion<FailBackAction> idle() { return planned().idle(turn()); }

  TunnelSpec spec = spec_with(1);
  Failover failover;
  TimePoint now{1h};
  double dice = 0.5;
  UnitRandom jitter = [this] { return dice; };
  std::optional<FailBack> fail_back;
};

}  // namespace

TEST_CASE("from the preferred relay there is nothing to go back to, nor with fail_back_after 0") {
  Stand stand{1};
  CHECK_FALSE(stand.fail_back);
  Stand never{2};
  CHECK(never.fail_back);
  never.spec.fail_back_after = 0s;
  CHECK_FALSE(never.plan());
}

TEST_CASE("a better relay that answers is gone back to once nobody is connected") {
  Stand stand{2};
  CHECK(stand.planned().due() == stand.now + 15min);
  CHECK(stand.wait() == Asked{LookAtRelay{0}});
  CHECK(stand.planned().due() == stand.now + 10s);
  CHECK(stand.answers() == Asked{Happened{BetterRelayAnswers{0}}, AwaitIdle{}});
  CHECK_FALSE(stand.planned().due());
  stand.now += 1min;
  CHECK(stand.idle() == Conclusion<FailBackAction>{{Happened{GoingBack{0}}}, Drain{ThenFailBack{0}}});
}

TEST_CASE("an answer older than a minute is asked for again") {
  Stand stand{2};
  stand.wait();
  stand.answers();
  stand.now += 61s;
  CHECK(stand.idle().actions == Asked{LookAtRelay{0}});
  CHECK(stand.planned().due() == stand.now + 10s);
}

TEST_CASE("a relay that refuses, or says nothing for ten seconds, is looked at again later and later") {
  Stand stand{2};
  stand.wait();
  CHECK(stand.refuses() ==
        Asked{Happened{BetterRelayNotBack{0, "connect to a.example:22: connection refused", 30min}}});
  CHECK(stand.planned().due() == stand.now + 30min);
  stand.wait();
  CHECK(stand.wait() == Asked{EndLook{}, Happened{BetterRelayNotBack{0, "no answer within 10 s", 1h}}});
  CHECK(stand.planned().due() == stand.now + 60min);
}

TEST_CASE("each better relay is looked at by its own wait, the preferred one first") {
  Stand stand{3};
  CHECK(stand.wait() == Asked{LookAtRelay{0}});
  stand.refuses();
  CHECK(stand.planned().due() == stand.now);  // the second one's time has come as well
  CHECK(stand.wait() == Asked{LookAtRelay{1}});
  stand.answers();
  CHECK(stand.idle().verdict == Verdict{Drain{ThenFailBack{1}}});
}

TEST_CASE("of several better relays the one that is due first is looked at, wherever it stands in the list") {
  Stand stand{3};
  stand.wait();
  stand.now += 5s;
  stand.refuses();  // until 30 min from now
  const TimePoint first = stand.now + 30min;
  REQUIRE(stand.expired() == Asked{LookAtRelay{1}});
  stand.now += 5s;
  stand.refuses();
  CHECK(stand.planned().due() == first);
}

TEST_CASE("an address of a better relay's that answers is its first choice again, though it failed before") {
  Stand stand{2};
  const FoundAddresses found{{"192.0.2.1", "192.0.2.2"}, {}};
  const auto order = [&] { return stand.failover.all()[0].addresses.order(found, stand.now).addresses; };
  stand.failover.try_at(0);
  Addresses& addresses = stand.failover.here().addresses;
  addresses.found(found, stand.now);
  addresses.connected("192.0.2.1");
  addresses.failed(Cause::connection_lost, stand.now);
  REQUIRE(order().front() == "192.0.2.2");
  stand.failover.try_at(1);
  REQUIRE(stand.wait() == Asked{LookAtRelay{0}});
  stand.planned().looked_at({std::nullopt, "192.0.2.1"}, stand.turn(), stand.failover);
  CHECK(order() == found.said);
}

TEST_CASE("what nobody waits for, or comes before it is due, changes nothing") {
  Stand stand{2};
  const FailBack before = stand.planned();
  CHECK(stand.answers().empty());
  CHECK(stand.refuses().empty());
  CHECK(stand.idle() == Conclusion<FailBackAction>{});
  CHECK(stand.expired().empty());
  CHECK(stand.planned() == before);
  stand.wait();
  CHECK(stand.idle() == Conclusion<FailBackAction>{});
  CHECK(stand.expired().empty());
}
