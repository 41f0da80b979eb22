#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <functional>
#include <memory>

#include "forward/downstream.hpp"
#include "holdfast/time.hpp"

namespace holdfast::forward {

/// How long the local end of a connection is waited for once the relay's end is closed: first until it has taken what
/// waits (watch_stall), then until the kernel has delivered it (finish).
class Delivery : public std::enable_shared_from_this<Delivery> {
 public:
  /// `over(all)` says how it went, from the loop or from inside finish(); it may end `down`.
  Delivery(const boost::asio::any_io_executor& executor, const Downstream& down, Duration longest_stall,
           std::function<void(bool all)> over);

  /// Over when nothing is delivered for `longest_stall`. What is watched already is watched on.
  void watch_stall();
  /// The kernel took everything. Over when it has delivered that, or nothing more of it for a while.
  void finish();
  void cancel();

 private:
  void poll(std::size_t seen, int polls_left);

  boost::asio::steady_timer timer_;
  const Downstream& down_;
  Duration longest_stall_;
  std::function<void(bool all)> over_;
  bool stall_watched_ = false;
};

}  // namespace holdfast::forward
