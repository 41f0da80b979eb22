#include "forward/delivery.hpp"

#include <chrono>
#include <utility>

namespace holdfast::forward {
namespace {

using boost::system::error_code;

constexpr std::chrono::milliseconds delivery_poll{20};
constexpr int delivery_polls = 250;  // 5 s without a byte

}  // namespace

Delivery::Delivery(const boost::asio::any_io_executor& executor, const Downstream& down, Duration longest_stall,
                   std::function<void(bool all)> over)
    : timer_(executor), down_(down), longest_stall_(longest_stall), over_(std::move(over)) {}

void Delivery::watch_stall() {
  if (std::exchange(stall_watched_, true)) return;
  timer_.expires_after(longest_stall_);
  timer_.async_wait([weak = weak_from_this(), seen = down_.delivered()](const error_code& error) {
    const auto self = weak.lock();
    if (!self || error || !std::exchange(self->stall_watched_, false)) return;
    if (self->down_.delivered() == seen) return self->over_(false);
    self->watch_stall();
  });
}

void Delivery::finish() {
  stall_watched_ = false;
  poll(down_.delivered(), delivery_polls);
}

void Delivery::cancel() {
  stall_watched_ = false;
  timer_.cancel();
}

void Delivery::poll(std::size_t seen, int polls_left) {
  if (down_.unsent() == 0) return over_(true);
  const std::size_t now = down_.delivered();
  if (now != seen) polls_left = delivery_polls;
  if (polls_left == 0) return over_(false);
  timer_.expires_after(delivery_poll);
  timer_.async_wait([weak = weak_from_this(), now, polls_left](const error_code& error) {
    const auto self = weak.lock();
    if (self && !error) self->poll(now, polls_left - 1);
  });
}

}  // namespace holdfast::forward
