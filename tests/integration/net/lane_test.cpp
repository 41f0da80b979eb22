#include "net/lane.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <optional>
#include <thread>
#include <vector>

#include "integration/net/loop.hpp"

using holdfast::net::Lane;
using holdfast::test::run_until;
using namespace std::chrono_literals;

TEST_CASE("calls are made one after the other beside the loop, and answered from it") {
  boost::asio::io_context loop;
  Lane lane{loop.get_executor()};
  const auto here = std::this_thread::get_id();
  std::vector<int> answered;
  for (const int number : {1, 2, 3}) {
    REQUIRE(lane.post([&answered, here, number]() -> Lane::Then {
      const bool beside = std::this_thread::get_id() != here;
      return [&answered, here, number, beside] {
        CHECK(beside);
        CHECK(std::this_thread::get_id() == here);
        answered.push_back(number);
      };
    }));
  }
  CHECK(lane.flush(10s));
  CHECK(answered.empty());
  REQUIRE(run_until(loop, [&] { return answered.size() == 3; }));
  CHECK(answered == std::vector{1, 2, 3});
}

TEST_CASE("an answer that ends the lane is the last one") {
  boost::asio::io_context loop;
  std::optional<Lane> lane{std::in_place, loop.get_executor()};
  int answers = 0;
  for (int call = 0; call < 2; ++call) {
    REQUIRE(lane->post([&]() -> Lane::Then {
      return [&] {
        ++answers;
        lane.reset();
      };
    }));
  }
  REQUIRE(lane->flush(10s));
  loop.run();
  CHECK(answers == 1);
}

TEST_CASE("a lane that is gone answers nobody, and keeps the loop from nothing") {
  boost::asio::io_context loop;
  std::optional<Lane> lane{std::in_place, loop.get_executor()};
  CHECK(lane->flush(0s));
  bool answered = false;
  REQUIRE(lane->post([&answered]() -> Lane::Then { return [&answered] { answered = true; }; }));
  REQUIRE(lane->flush(10s));
  lane.reset();
  loop.run();
  CHECK_FALSE(answered);
}
