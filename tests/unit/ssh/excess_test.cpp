#include "ssh/excess.hpp"

#include <doctest/doctest.h>

using namespace holdfast;
using ssh::excess;
using ssh::Progress;

TEST_CASE("a relay that keeps to what it needs takes nothing in excess, however much that is once we are in") {
  CHECK(excess({}, Progress::banner).empty());
  CHECK(excess({1024 * 1024, 8 * 1024 * 1024, 16 * 1024, false}, Progress::authentication).empty());
  CHECK(excess({UINT64_MAX, 0, 0, false}, Progress::established).empty());
}

TEST_CASE("each thing that a relay may have too much of is told") {
  CHECK(excess({0, 0, 0, true}, Progress::established) == "it sends more than its window allows");
  CHECK(excess({0, 8 * 1024 * 1024 + 1, 0, false}, Progress::established) == "it does not read what it asked for");
  CHECK(excess({0, 0, 16 * 1024 + 1, false}, Progress::established) ==
        "it sends without an end where an answer is due");
  for (const Progress before : {Progress::banner, Progress::key_exchange, Progress::authentication}) {
    CHECK(excess({1024 * 1024 + 1, 0, 0, false}, before) == "it sends without an end and lets nobody in");
  }
}
