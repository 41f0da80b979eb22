#include <doctest/doctest.h>

#include <string>

#include "holdfast/diagnosis.hpp"

using namespace holdfast;
using namespace std::chrono_literals;

namespace {

Judgement judged(Milliseconds interval, std::optional<Milliseconds> survived, std::optional<Milliseconds> forgotten,
                 std::optional<Milliseconds> ended = {}) {
  return judge(Layer::keepalive, KeepaliveFindings{interval, survived, forgotten, ended});
}

void check_fine(const Judgement& judgement, const std::string& measured) {
  CHECK(judgement.result == CheckResult::pass);
  CHECK_FALSE(judgement.cause);
  CHECK(judgement.measured == measured);
  CHECK(judgement.next_step.empty());
}

void check_too_rare(const Judgement& judgement, const std::string& measured, const std::string& next_step) {
  CHECK(judgement.result == CheckResult::warn);
  CHECK(judgement.cause == Cause::keepalive_too_rare);
  CHECK(judgement.measured == measured);
  CHECK(judgement.next_step == next_step);
}

}  // namespace

TEST_CASE("keepalives are often enough where a flow outlives a longer silence") {
  check_fine(judged(15s, 110s, {}), "every 15 s; a flow that is silent for 110 s is kept");
  check_fine(judged(15s, 60s, 110s),
             "every 15 s; a flow that is silent for 60 s is kept, and after 110 s it is forgotten");
  check_fine(judged(60s, 60s, 61s),
             "every 60 s; a flow that is silent for 60 s is kept, and after 61 s it is forgotten");
  check_fine(judged(12600ms, 110s, {}), "every 13 s; a flow that is silent for 110 s is kept");
}

TEST_CASE("keepalives are too rare where a flow is forgotten by then, and half of what is kept is wiser") {
  check_too_rare(judged(60s, 15s, 30s),
                 "every 60 s; a flow that is silent for 15 s is kept, and after 30 s it is forgotten",
                 "Set server_alive_interval to 7s: half of what is kept.");
  check_too_rare(judged(60s, 30s, 60s),
                 "every 60 s; a flow that is silent for 30 s is kept, and after 60 s it is forgotten",
                 "Set server_alive_interval to 15s: half of what is kept.");
}

TEST_CASE("where each silence was too long, a shorter one has to be measured") {
  check_too_rare(judged(60s, {}, 15s), "every 60 s; a silent flow is forgotten after 15 s",
                 "Set server_alive_interval to 7s: half of what is too long. Then measure again.");
  check_too_rare(judged(1s, {}, 1s), "every 1 s; a silent flow is forgotten after 1 s",
                 "Set server_alive_interval to 1s: half of what is too long. Then measure again.");
}

TEST_CASE("without keepalives any flow that is forgotten is too much") {
  check_too_rare(judged(0s, 55s, 110s),
                 "none is sent; a flow that is silent for 55 s is kept, and after 110 s it is forgotten",
                 "Set server_alive_interval to 27s: half of what is kept.");
  check_fine(judged(0s, 110s, {}), "none is sent; a flow that is silent for 110 s is kept; longer was not tried");
}

TEST_CASE("what was not measured is not judged, and said") {
  check_fine(judged(300s, 110s, {}), "every 300 s; a flow that is silent for 110 s is kept; longer was not tried");
  check_fine(
      judged(60s, 15s, {}, 20400ms),
      "every 60 s; a flow that is silent for 15 s is kept; the relay itself ends a silent flow after 20 s: longer "
      "is not known");
  check_fine(judged(60s, {}, {}, 500ms),
             "every 60 s; the relay itself ends a silent flow after 500 ms: longer is not known");
  check_fine(judged(60s, {}, {}, 1500ms),
             "every 60 s; the relay itself ends a silent flow after 1.5 s: longer is not known");
}
