#include "holdfast/time.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;

TEST_CASE("of two times the earlier one counts, and one that is none is never it") {
  const TimePoint soon{1s};
  const TimePoint late{2s};
  CHECK(earlier(soon, late) == soon);
  CHECK(earlier(late, soon) == soon);
  CHECK(earlier(std::nullopt, late) == late);
  CHECK(earlier(late, std::nullopt) == late);
  CHECK_FALSE(earlier(std::nullopt, std::nullopt));
}

TEST_CASE("durations read in the two units that matter") {
  CHECK(to_text(0s) == "0.0 s");
  CHECK(to_text(420ms) == "0.4 s");
  CHECK(to_text(12s) == "12 s");
  CHECK(to_text(185s) == "3 min 5 s");
  CHECK(to_text(2h + 7min + 59s) == "2 h 7 min");
  CHECK(to_text(76h) == "3 d 4 h");
}

TEST_CASE("each unit begins where it is whole") {
  CHECK(to_text(9900ms) == "9.9 s");
  CHECK(to_text(10s) == "10 s");
  CHECK(to_text(59s) == "59 s");
  CHECK(to_text(60s) == "1 min 0 s");
  CHECK(to_text(3599s) == "59 min 59 s");
  CHECK(to_text(3600s) == "1 h 0 min");
  CHECK(to_text(86399s) == "23 h 59 min");
  CHECK(to_text(86400s) == "1 d 0 h");
}
