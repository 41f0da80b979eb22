#include "forward/buffers.hpp"

#include <doctest/doctest.h>

#include <chrono>

using namespace holdfast;
using namespace holdfast::forward;
using std::chrono::seconds;

namespace {

constexpr TimePoint start{};

struct Reader final : Buffers::Holder {
  void give_up() override { gone = true; }
  bool gone = false;
};

}  // namespace

TEST_CASE("nobody gives up while all together hold no more than allowed") {
  Buffers buffers(100);
  Reader a;
  Reader b;
  buffers.note(a, 60, start);
  buffers.note(b, 40, start);
  CHECK(buffers.total() == 100);
  buffers.note(a, 10, start);
  buffers.note(b, 90, start);
  CHECK(buffers.total() == 100);
  CHECK_FALSE(a.gone);
  CHECK_FALSE(b.gone);
  buffers.note(a, 0, start);
  buffers.forget(b);
  CHECK(buffers.total() == 0);
}

TEST_CASE("of readers that hold the same, the one that has delivered nothing for longest gives up") {
  Buffers buffers(100);
  Reader progressing;
  Reader stalled;
  Reader fresh;
  buffers.note(progressing, 45, start);
  buffers.note(stalled, 40, start + seconds{1});
  buffers.note(progressing, 40, start + seconds{10});
  buffers.note(fresh, 40, start + seconds{11});
  CHECK(stalled.gone);
  CHECK_FALSE(progressing.gone);
  CHECK_FALSE(fresh.gone);
  CHECK(buffers.total() == 80);
}

TEST_CASE("of readers that stalled at the same time, the one that holds most gives up") {
  Buffers buffers(100);
  Reader small;
  Reader large;
  buffers.note(small, 20, start);
  buffers.note(large, 70, start);
  buffers.note(small, 40, start + seconds{5});
  CHECK(large.gone);
  CHECK_FALSE(small.gone);
}

TEST_CASE("as many give up as it takes, also the one that asks") {
  Buffers buffers(100);
  Reader a;
  Reader b;
  buffers.note(a, 50, start);
  buffers.note(b, 50, start);
  buffers.note(b, 1000, start + seconds{1});
  CHECK(b.gone);
  CHECK_FALSE(a.gone);
  CHECK(buffers.total() == 50);
}
