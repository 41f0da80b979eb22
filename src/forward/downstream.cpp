#include "forward/downstream.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>

namespace holdfast::forward {
namespace {

constexpr std::size_t kept_capacity = std::size_t{64} * 1024;

}  // namespace

std::optional<Downstream::Progress> Downstream::send(std::span<const std::byte> data) {
  if (!pending_.empty() || left_behind_ || taking_) {
    left_behind_ = true;
    return std::nullopt;
  }
  const auto sent = send_some(data);
  if (!sent) return Progress::broken;
  if (*sent == data.size()) return Progress::done;
  pending_.assign(data.begin() + static_cast<std::ptrdiff_t>(*sent), data.end());
  return Progress::blocked;
}

Downstream::Progress Downstream::flush(ssh::Channel& channel) {
  while (true) {
    while (pending_sent_ < pending_.size()) {
      const auto sent = send_some(std::span(pending_).subspan(pending_sent_));
      if (!sent) return Progress::broken;
      if (*sent == 0) return Progress::blocked;
      pending_sent_ += *sent;
    }
    pending_.clear();
    pending_sent_ = 0;
    if (pending_.capacity() > kept_capacity) pending_.shrink_to_fit();
    if (!left_behind_) return Progress::done;
    left_behind_ = false;
    taking_ = true;
    pending_ = channel.take_buffered();
    taking_ = false;
  }
}

std::optional<std::size_t> Downstream::send_some(std::span<const std::byte> data) {
  const ssize_t sent = ::send(socket_.native_handle(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return would_block(errno) ? std::optional<std::size_t>(0) : std::nullopt;
  sent_ += static_cast<std::size_t>(sent);
  return static_cast<std::size_t>(sent);
}

std::size_t Downstream::unsent() const {
  int count = 0;
  if (::ioctl(socket_.native_handle(), SIOCOUTQ, &count) != 0) return 0;
  return static_cast<std::size_t>(count);
}

}  // namespace holdfast::forward
