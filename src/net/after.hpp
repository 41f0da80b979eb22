#pragma once

#include <boost/asio/steady_timer.hpp>
#include <utility>

#include "holdfast/time.hpp"

namespace holdfast::net {

/// Calls `then` from the loop when `wait` is over. Not if the timer is cancelled, set anew or destroyed before.
template <typename Then>
void after(boost::asio::steady_timer& timer, Duration wait, Then then) {
  timer.expires_after(wait);
  timer.async_wait([then = std::move(then)](const boost::system::error_code& error) mutable {
    if (!error) then();
  });
}

}  // namespace holdfast::net
