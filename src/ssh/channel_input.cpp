#include "ssh/channel_input.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <utility>

#include "ssh/link.hpp"

namespace holdfast::ssh {
namespace {

/// libssh grants at most 1,280,000 bytes on top of a half-full buffer (channels.c, WINDOWBASE; 2 MiB from 0.11 on).
/// Whoever fills this much more than we ever granted ignores the window.
constexpr std::size_t most_excess = std::size_t{4} * 1024 * 1024;
/// A raised window that was of no use for that long, or for two round trips, may go to another channel.
constexpr Duration window_kept = std::chrono::seconds{1};

}  // namespace

ChannelInput::ChannelInput(Link& link, ssh_channel channel) : link_(link), channel_(channel) {
  if (!windows_can_be_raised()) fixed_window_.emplace();
}

std::size_t ChannelInput::offer(ChannelObserver* observer, std::span<const std::byte> data, std::size_t share) {
  const std::size_t held = left_ - kept_.size();
  std::size_t taken = 0;
  if (!stalled_ && observer != nullptr) taken = std::min(observer->on_data(data.first(share)), share);
  note_taken(taken);
  came(data.size() - std::min(held, data.size()), data.size() - taken);
  stalled_ = taken < share;
  return taken;
}

void ChannelInput::note_waiting(std::size_t held) {
  if (held > 0) came(held, held);
  stalled_ = left_ > 0;
}

void ChannelInput::note_taken(std::size_t count) {
  if (fixed_window_) fixed_window_->taken(count);
}

/// A login shell may say there why it runs nothing, and end: libssh shows no end while it holds data.
void ChannelInput::drop_errors() {
  std::array<char, 1024> piece{};
  for (int waiting = 0; (waiting = ssh_channel_poll(channel_, 1)) > 0;) {
    const auto length = std::min(piece.size(), static_cast<std::size_t>(waiting));
    const int count = ssh_channel_read(channel_, piece.data(), static_cast<std::uint32_t>(length), 1);
    if (count <= 0) return;
    note_taken(static_cast<std::size_t>(count));
  }
}

/// In one read with libssh 0.10, which re-opens the whole window after any, however small, and so would buffer without
/// a bound.
std::vector<std::byte> ChannelInput::take_left() {
  stalled_ = false;
  std::vector<std::byte> data = std::exchange(kept_, {});
  const std::size_t kept = data.size();
  data.resize(std::exchange(left_, 0));
  for (std::size_t filled = kept; filled < data.size();) {
    const std::size_t share = share_of(data.size() - filled);
    const int count = ssh_channel_read(channel_, data.data() + filled, static_cast<std::uint32_t>(share), 0);
    const std::size_t taken = count > 0 ? static_cast<std::size_t>(count) : 0;
    window_.read();
    note_taken(taken);
    filled += taken;
    if (taken < share) data.resize(filled);
  }
  return data;
}

void ChannelInput::forget() {
  channel_ = nullptr;
  left_ = 0;
  kept_.clear();
}

/// While the observer is stalled nothing is granted.
void ChannelInput::tune_window(TimePoint now) {
  if (stalled_) return;
  if (const std::size_t wanted = window_.wanted(now, link_.windows.round_trip)) raise_window(wanted, now);
  if (window_.grant_due()) grant_window();
}

void ChannelInput::give_back_window(TimePoint now) {
  const Duration unused = now - window_.last_used();
  if (window_.is_raised() && unused >= std::max(window_kept, 2 * link_.windows.round_trip)) lower_window();
}

void ChannelInput::lower_window() {
  link_.windows.room += window_.target() - ReceiveWindow::stock;
  window_.set_target(ReceiveWindow::stock);
}

/// `count` bytes came, and libssh holds `held` now.
void ChannelInput::came(std::size_t count, std::size_t held) {
  window_.arrived(count, held);
  left_ = kept_.size() + held;
  if (left_ > largest_window_ + most_excess) link_.window_ignored = true;
}

void ChannelInput::raise_window(std::size_t wanted, TimePoint now) {
  const std::size_t size = std::min(wanted, link_.windows.largest);
  if (fixed_window_ || size <= window_.target()) return;
  const std::size_t more = size - window_.target();
  if (more > link_.windows.room) give_back_windows(link_, now);
  if (more > link_.windows.room) return;
  link_.windows.room -= more;
  window_.set_target(size);
  largest_window_ = std::max(largest_window_, size);
}

/// A read that asks for more than libssh's buffer and window together makes libssh 0.10 grant the difference. It also
/// lets libssh receive, and so may bring what the observer leaves behind.
void ChannelInput::grant_window() {
  if (!link_.read_space) link_.read_space.emplace(link_.windows.largest);
  std::byte* const space = link_.read_space->data();
  if (space == nullptr) return;
  window_.granted();
  const int count = ssh_channel_read(channel_, space, static_cast<std::uint32_t>(window_.target()), 0);
  if (count > 0) kept_.assign(space, space + count);
}

}  // namespace holdfast::ssh
