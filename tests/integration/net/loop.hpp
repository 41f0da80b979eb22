#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <utility>

namespace holdfast::test {

/// Runs the loop until the condition holds; false if it never did within `limit`.
[[nodiscard]] inline bool run_until(boost::asio::io_context& loop, const std::function<bool()>& condition,
                                    std::chrono::milliseconds limit = std::chrono::seconds{10}) {
  const auto end = std::chrono::steady_clock::now() + limit;
  const auto guard = boost::asio::make_work_guard(loop);
  loop.restart();  // it stops whenever it runs out of work
  while (!condition()) {
    if (std::chrono::steady_clock::now() >= end) return false;
    loop.run_one_for(std::chrono::milliseconds{20});
  }
  return true;
}

}  // namespace holdfast::test
