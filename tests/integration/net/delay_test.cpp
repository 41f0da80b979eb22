#include "net/delay.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <optional>

using holdfast::net::Delay;
using namespace std::chrono_literals;

namespace {

/// Calls `then` when the delay is due, and its call lies in the loop's queue already.
template <typename Then>
void run_when_due(boost::asio::io_context& loop, Then then) {
  // Both are due when the loop first looks, so that it takes both at once.
  Delay first{loop.get_executor()};
  first.start(-1s, then);
  loop.run();
}

}  // namespace

TEST_CASE("a delay calls once, and may be started anew from its own call") {
  boost::asio::io_context loop;
  Delay delay{loop.get_executor()};
  int calls = 0;
  delay.start(0s, [&] {
    ++calls;
    delay.start(0s, [&] { ++calls; });
  });
  loop.run();
  CHECK(calls == 2);
}

TEST_CASE("a delay that is due already does not call once it is cancelled, started anew or destroyed") {
  boost::asio::io_context loop;
  std::optional<Delay> due{std::in_place, loop.get_executor()};
  bool called = false;
  bool called_anew = false;
  due->start(0s, [&] { called = true; });
  SUBCASE("cancelled") {
    run_when_due(loop, [&] { due->cancel(); });
  }
  SUBCASE("started anew") {
    run_when_due(loop, [&] { due->start(0s, [&] { called_anew = true; }); });
    CHECK(called_anew);
  }
  SUBCASE("destroyed") {
    run_when_due(loop, [&] { due.reset(); });
  }
  CHECK_FALSE(called);
}
