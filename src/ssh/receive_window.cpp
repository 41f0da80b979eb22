#include "ssh/receive_window.hpp"

#include <algorithm>
#include <chrono>

namespace holdfast::ssh {
namespace {

constexpr std::size_t libssh_threshold = ReceiveWindow::stock / 2;

}  // namespace

void ReceiveWindow::arrived(std::size_t count, std::size_t buffered) {
  left_ -= std::min(count, left_);
  arrived_ += count;
  if (left_ + buffered < libssh_threshold) left_ = stock;
}

void ReceiveWindow::read() {
  if (left_ < libssh_threshold) left_ = stock;
}

std::size_t ReceiveWindow::wanted(TimePoint now, Duration round_trip) {
  const Duration elapsed = now - began_;
  if (elapsed < round_trip || elapsed <= Duration::zero()) return 0;
  const double in_one_trip =
      static_cast<double>(arrived_) * std::min(1.0, std::chrono::duration<double>(round_trip) / elapsed);
  arrived_ = 0;
  began_ = now;
  if (2 * in_one_trip < static_cast<double>(target_)) return 0;
  return std::max(2 * target_, lowest_raised);
}

}  // namespace holdfast::ssh
