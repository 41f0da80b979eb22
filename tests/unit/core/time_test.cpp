#include "holdfast/time.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;

TEST_CASE("durations read in the two units that matter") {
  CHECK(to_text(0s) == "0.0 s");
  CHECK(to_text(420ms) == "0.4 s");
  CHECK(to_text(12s) == "12 s");
  CHECK(to_text(185s) == "3 min 5 s");
  CHECK(to_text(2h + 7min + 59s) == "2 h 7 min");
  CHECK(to_text(76h) == "3 d 4 h");
}
