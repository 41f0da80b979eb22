#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <utility>

#include "holdfast/lifetime.hpp"
#include "holdfast/time.hpp"

namespace holdfast::net {

/// Calls its owner back from the loop when a time is over. Not once it is cancelled, started anew or destroyed: Asio's
/// timer does, if it was due by then.
class Delay {
 public:
  explicit Delay(const boost::asio::any_io_executor& executor) : timer_(executor) {}

  template <typename Then>
  void start(Duration wait, Then then) {
    timer_.expires_after(wait);
    timer_.async_wait(
        awaited_.emplace().guard([then = std::move(then)](const boost::system::error_code& error) mutable {
          if (!error) then();
        }));
  }
  void cancel() {
    awaited_.reset();
    timer_.cancel();
  }

 private:
  boost::asio::steady_timer timer_;
  std::optional<Lifetime> awaited_;
};

}  // namespace holdfast::net
