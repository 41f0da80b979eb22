#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <optional>

#include "holdfast/lifetime.hpp"
#include "holdfast/time.hpp"

namespace holdfast::supervisor {

/// A deadline that moves. Destroying it cancels it.
class Alarm {
 public:
  /// `rings` is called from the loop at the deadline or earlier, and sets the next.
  Alarm(const boost::asio::any_io_executor& executor, std::function<void()> rings);

  /// A deadline that only moved later keeps the running timer: whoever is called finds nothing due, and sets it anew
  /// then. So a busy session, whose liveness deadline moves with each packet, costs no timer call a packet.
  void set(std::optional<TimePoint> deadline);

 private:
  const std::function<void()> rings_;
  boost::asio::steady_timer timer_;
  std::optional<TimePoint> armed_for_;
  Lifetime lifetime_;
};

}  // namespace holdfast::supervisor
