#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <vector>

#include "holdfast/lifetime.hpp"
#include "holdfast/time.hpp"
#include "supervisor/slot.hpp"

namespace holdfast::supervisor {

/// Gives memory back (memory.hpp) once what happened is over, and later what visitors left behind.
class Tidying {
 public:
  /// `slots` outlive it.
  Tidying(const boost::asio::any_io_executor& executor, const std::vector<Slot>& slots)
      : slots_(slots), timer_(executor) {}

  /// Called after a tunnel changed.
  void something_happened();

 private:
  void look_after(Duration wait);

  const std::vector<Slot>& slots_;
  boost::asio::steady_timer timer_;
  std::uint64_t tidied_ = 0;  ///< the tunnels' activity at that time
  Lifetime lifetime_;
};

}  // namespace holdfast::supervisor
