#include "holdfast/wall_time.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using namespace std::chrono_literals;

TEST_CASE("what people's clocks said is written as RFC 3339 has it, in UTC") {
  using std::chrono::sys_days;
  CHECK(to_text(WallTime{}) == "1970-01-01T00:00:00.000Z");
  CHECK(to_text(sys_days{2026y / 11 / 29} + 19h + 30min + 5s + 250ms) == "2026-11-29T19:30:05.250Z");
  CHECK(to_text(sys_days{2024y / 2 / 29} + 23h + 59min + 59s + 7ms) == "2024-02-29T23:59:59.007Z");
  CHECK(to_text(sys_days{1969y / 12 / 31} + 0h + 1ms) == "1969-12-31T00:00:00.001Z");
}
