#include "ssh/receive_window.hpp"

#include <libssh/libssh.h>

#include <algorithm>
#include <chrono>

namespace holdfast::ssh {
namespace {

constexpr std::size_t libssh_threshold = ReceiveWindow::stock / 2;

}  // namespace

bool windows_can_be_raised() {
  static const bool can = ssh_version(SSH_VERSION_INT(0, 11, 0)) == nullptr;
  return can;
}

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

void FixedWindow::taken(std::size_t count) {
  if (count == 0) return;
  ungranted_ += count;
  if (ungranted_ >= half) ungranted_ = 0;
}

}  // namespace holdfast::ssh
