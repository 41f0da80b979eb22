#include "holdfast/outage.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

const TimePoint start{1h};

Diagnosis blamed(Layer layer, Cause cause, const std::string& measured = "APN internet") {
  Judgement judgement;
  judgement.layer = layer;
  judgement.result = CheckResult::fail;
  judgement.cause = cause;
  judgement.measured = measured;
  judgement.next_step = "Look at the APN.";
  return {{judgement}, layer};
}

/// Down since `start`, and looked at after a minute.
Outage looked_at() {
  Outage outage;
  outage.step(false, Cause::connection_timed_out, start);
  outage.step(false, Cause::connection_timed_out, start + 1min);
  return outage;
}

}  // namespace

TEST_CASE("an outage is looked at once when it is a minute old, then every half an hour") {
  Outage outage;
  CHECK_FALSE(outage.due());
  CHECK_FALSE(outage.step(false, std::nullopt, start));
  CHECK(outage.due() == start + 1min);
  CHECK_FALSE(outage.step(false, std::nullopt, start + 59s));
  CHECK(outage.step(false, std::nullopt, start + 1min));
  CHECK(outage.due() == start + 31min);
  CHECK_FALSE(outage.step(false, std::nullopt, start + 30min));
  CHECK(outage.step(false, std::nullopt, start + 31min));
}

TEST_CASE("a tunnel that is up, or back within the minute, is not looked at") {
  Outage outage;
  CHECK_FALSE(outage.step(true, std::nullopt, start));
  CHECK_FALSE(outage.due());
  outage.step(false, std::nullopt, start + 1s);
  CHECK_FALSE(outage.step(true, std::nullopt, start + 50s));
  CHECK_FALSE(outage.due());
  outage.step(false, std::nullopt, start + 60s);
  CHECK_FALSE(outage.step(false, std::nullopt, start + 119s));
}

TEST_CASE("an error of another cause is a reason to look again, and the same one is not") {
  Outage outage = looked_at();
  CHECK_FALSE(outage.step(false, Cause::connection_timed_out, start + 2min));
  CHECK_FALSE(outage.step(false, Cause::unreachable, start + 3min));  // they may alternate
  CHECK(outage.step(false, Cause::unreachable, start + 6min));
  CHECK_FALSE(outage.step(false, Cause::unreachable, start + 12min));
}

TEST_CASE("what is found is told once, and again when it is another layer or cause") {
  Outage outage = looked_at();
  CHECK(outage.found(blamed(Layer::modem, Cause::bearer_down), start + 61s) ==
        "down for 1 min 1 s: the modem is registered, and has no data connection (APN internet). Look at the APN.");
  CHECK_FALSE(outage.found(blamed(Layer::modem, Cause::bearer_down, "APN web"), start + 31min));
  CHECK(outage.report(start + 31min)->sentence == "the modem is registered, and has no data connection (APN web)");
  CHECK(outage.found(blamed(Layer::modem, Cause::sim_missing), start + 61min));
}

TEST_CASE("the report has the layer, the next step and both ages, and goes with the outage") {
  Outage outage = looked_at();
  CHECK_FALSE(outage.report(start + 2min));
  outage.found(blamed(Layer::modem, Cause::bearer_down), start + 61s);
  const auto report = outage.report(start + 4min);
  REQUIRE(report);
  CHECK(report->layer == Layer::modem);
  CHECK(report->cause == Cause::bearer_down);
  CHECK(report->next_step == "Look at the APN.");
  CHECK(report->age == 179s);
  CHECK(report->outage == 4min);
  outage.step(true, std::nullopt, start + 5min);
  CHECK_FALSE(outage.report(start + 5min));
}

TEST_CASE("what ends by itself is said later, and looked at again then") {
  for (const Cause ends : {Cause::connection_lost, Cause::listener_held_stale, Cause::operator_request}) {
    CHECK(facts_of(ends).said_after == 5min);
  }
  Outage outage = looked_at();
  const Diagnosis penalty = blamed(Layer::banner, Cause::relay_penalty);
  CHECK_FALSE(outage.found(penalty, start + 61s));
  CHECK_FALSE(outage.report(start + 62s));
  CHECK(outage.due() == start + 15min);
  CHECK(outage.step(false, Cause::connection_timed_out, start + 15min));
  CHECK(outage.found(penalty, start + 15min));
}

TEST_CASE("where nothing is found to be wrong, nothing is said") {
  Outage outage = looked_at();
  CHECK_FALSE(outage.found({}, start + 61s));
  CHECK_FALSE(outage.report(start + 61s));
}
