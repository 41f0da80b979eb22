#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <vector>

#include "holdfast/time.hpp"
#include "net/delay.hpp"
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
  net::Delay timer_;
  std::uint64_t tidied_ = 0;  ///< the tunnels' activity at that time
};

}  // namespace holdfast::supervisor
