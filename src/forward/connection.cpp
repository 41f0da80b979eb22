#include "forward/connection.hpp"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <utility>

namespace holdfast::forward {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t turn_quota = std::size_t{128} * 1024;
constexpr std::size_t kept_capacity = std::size_t{64} * 1024;

constexpr std::size_t screened_bytes = 256;

constexpr std::chrono::milliseconds delivery_poll{20};
constexpr int delivery_polls = 250;  // 5 s without a byte

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/// What the kernel took and the other end has not; 0 also if that can't be told.
std::size_t unsent(Socket& socket) {
  int count = 0;
  if (::ioctl(socket.native_handle(), SIOCOUTQ, &count) != 0) return 0;
  return static_cast<std::size_t>(count);
}

}  // namespace

Connection::Connection(Socket socket, ssh::Channel channel, std::shared_ptr<Turns> turns,
                       std::shared_ptr<Buffers> buffers, Duration longest_stall, std::function<void()> on_end)
    : socket_(std::move(socket)),
      channel_(std::move(channel)),
      turns_(std::move(turns)),
      buffers_(std::move(buffers)),
      longest_stall_(longest_stall),
      on_end_(std::move(on_end)),
      delivery_(socket_.get_executor()) {}

void Connection::start() {
  channel_->observe(this);
  await_readable();
  await_error();
}

void Connection::hang_up() {
  on_end_ = nullptr;
  close_both(Ending::close);
}

std::optional<ssh::Channel> Connection::keep_channel() {
  std::optional<ssh::Channel> kept;
  if (channel_ && channel_->is_open()) {
    buffers_->forget(*this);
    channel_->observe(nullptr);
    kept = std::move(channel_);
    channel_.reset();
    turns_->wake();
  }
  hang_up();
  return kept;
}

void Connection::screen(std::span<const std::byte> mark, std::function<void(bool marked)> decided) {
  screen_ = Screen{{mark.begin(), mark.end()}, std::move(decided)};
  limit_ = screened_bytes;
}

void Connection::lift_limit() {
  limit_.reset();
  if (std::exchange(held_back_, false)) turns_->join(weak_from_this());
}

bool Connection::screen_out(std::span<const std::byte> data) {
  const Screen screen = *std::exchange(screen_, std::nullopt);
  const bool marked =
      data.size() >= screen.mark.size() && std::equal(screen.mark.begin(), screen.mark.end(), data.begin());
  asio::post(socket_.get_executor(), [weak = weak_from_this(), decided = screen.decided, marked] {
    const auto self = weak.lock();
    if (self && self->channel_) decided(marked);
  });
  return marked;
}

void Connection::abort() {
  on_end_ = nullptr;
  close_both(Ending::reset);
}

// Down: channel to local socket.

std::size_t Connection::on_data(std::span<const std::byte> data) {
  if (broken_) return data.size();
  // A mark is left where it is: nothing more is wanted from there.
  if (screen_ && screen_out(data)) return 0;
  if (!pending_.empty() || left_behind_ || taking_) {
    left_behind_ = true;
    return 0;
  }
  const auto sent = send_down(data);
  if (!sent) {
    fail_soon();
  } else if (*sent < data.size()) {
    pending_.assign(data.begin() + static_cast<std::ptrdiff_t>(*sent), data.end());
    await_writable();
    account_soon();
  }
  return data.size();
}

std::optional<std::size_t> Connection::send_down(std::span<const std::byte> data) {
  const ssize_t sent = ::send(socket_.native_handle(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent >= 0) {
    sent_down_ += static_cast<std::size_t>(sent);
    return static_cast<std::size_t>(sent);
  }
  if (would_block(errno)) return 0;
  return std::nullopt;
}

void Connection::flush() {
  while (true) {
    while (pending_sent_ < pending_.size()) {
      const auto sent = send_down(std::span(pending_).subspan(pending_sent_));
      if (!sent) return end(Ending::close);
      if (*sent == 0) return await_writable();
      pending_sent_ += *sent;
    }
    pending_.clear();
    pending_sent_ = 0;
    if (pending_.capacity() > kept_capacity) pending_.shrink_to_fit();
    if (!left_behind_) return;
    left_behind_ = false;
    taking_ = true;
    pending_ = channel_->take_buffered();
    taking_ = false;
  }
}

void Connection::await_writable() {
  if (std::exchange(writable_awaited_, true)) return;
  socket_.async_wait(Socket::wait_write, [weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (!self || error || !self->channel_) return;
    self->writable_awaited_ = false;
    self->on_ready();
  });
}

// Up: local socket to channel.

void Connection::await_readable() {
  socket_.async_wait(Socket::wait_read, [weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (self && !error && self->channel_) self->turns_->join(self);
  });
}

Sender::Served Connection::serve(std::span<std::byte> buffer) {
  if (!channel_ || broken_) return Served::all;
  for (std::size_t total = 0; total < std::max(turn_quota, buffer.size());) {
    if (limit_ == 0U) {
      held_back_ = true;
      return Served::all;
    }
    const std::size_t room = std::min({channel_->writable(), buffer.size(), limit_.value_or(buffer.size())});
    if (room == 0) {
      if (channel_->session_full()) return total == 0 ? Served::full : Served::some;
      window_awaited_ = true;
      return Served::all;
    }
    const ssize_t got = ::recv(socket_.native_handle(), buffer.data(), room, MSG_DONTWAIT);
    if (got < 0 && would_block(errno)) {
      await_readable();
      return Served::all;
    }
    if (got <= 0) {
      got == 0 ? pass_local_eof() : end(Ending::close);
      return Served::all;
    }
    const auto size = static_cast<std::size_t>(got);
    if (channel_->write(buffer.first(size)) != size) {
      // Taken from the socket but not by the channel: to go on would leave a hole in the stream.
      end(Ending::reset);
      return Served::all;
    }
    total += size;
    if (limit_) *limit_ -= size;
  }
  return Served::some;
}

void Connection::pass_local_eof() {
  local_eof_ = true;
  channel_->send_eof();
  finish_if_over();
}

// Both.

void Connection::on_ready() {
  if (!channel_ || broken_) return;
  const auto self = shared_from_this();
  if (!writable_awaited_) flush();
  if (!channel_) return;
  finish_if_over();
  account();
  if (channel_ && window_awaited_ && channel_->writable() > 0) {
    window_awaited_ = false;
    turns_->join(weak_from_this());
  }
  turns_->wake();
}

void Connection::account() {
  if (channel_) buffers_->note(*this, pending_.size() - pending_sent_ + channel_->buffered(), Clock::now());
}

// Whoever holds too much gives up, which must not be inside libssh.
void Connection::account_soon() {
  asio::post(socket_.get_executor(), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->account();
  });
}

void Connection::give_up() {
  gave_up_ = true;
  end(Ending::reset);
}

void Connection::finish_if_over() {
  if (!pending_.empty() || left_behind_) {
    if (!channel_->is_open()) watch_stall();
    return;
  }
  if (!relay_eof_ && channel_->at_eof()) {
    relay_eof_ = true;
    error_code gone;
    socket_.shutdown(Socket::shutdown_send, gone);
  }
  if (relay_eof_ && local_eof_) return end(Ending::close);
  if (!channel_->is_open()) end_after_delivery(relay_eof_ ? Ending::close : Ending::reset);
}

void Connection::watch_stall() {
  if (std::exchange(stall_watched_, true)) return;
  delivery_.expires_after(longest_stall_);
  delivery_.async_wait([weak = weak_from_this(), seen = delivered()](const error_code& error) {
    const auto self = weak.lock();
    if (!self || error || !self->channel_) return;
    self->stall_watched_ = false;
    if (self->delivered() == seen) return self->end(Ending::reset);
    self->watch_stall();
  });
}

std::size_t Connection::delivered() {
  return sent_down_ - unsent(socket_);
}

// A reset is noticed even while the channel has no room and nothing is read.
void Connection::await_error() {
  socket_.async_wait(Socket::wait_error, [weak = weak_from_this()](const error_code& error) {
    const auto self = weak.lock();
    if (!self || error || !self->channel_) return;
    int pending_error = 0;
    socklen_t size = sizeof pending_error;
    ::getsockopt(self->socket_.native_handle(), SOL_SOCKET, SO_ERROR, &pending_error, &size);
    if (pending_error != 0) self->end(Ending::close);
  });
}

void Connection::fail_soon() {
  broken_ = true;
  asio::post(socket_.get_executor(), [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->channel_) self->end(Ending::close);
  });
}

void Connection::end_after_delivery(Ending ending) {
  close_channel();
  poll_delivery(ending, delivered(), delivery_polls);
}

// A reset throws away what the kernel has not sent yet, and so does a close with unread input (RFC 1122, 4.2.2.13).
void Connection::poll_delivery(Ending ending, std::size_t seen, int polls_left) {
  if (unsent(socket_) == 0) return end(ending);
  const std::size_t now = delivered();
  if (now != seen) polls_left = delivery_polls;
  if (polls_left == 0) return end(Ending::reset);
  delivery_.expires_after(delivery_poll);
  delivery_.async_wait([weak = weak_from_this(), ending, now, polls_left](const error_code& error) {
    const auto self = weak.lock();
    if (self && !error) self->poll_delivery(ending, now, polls_left - 1);
  });
}

void Connection::end(Ending ending) {
  const auto self = shared_from_this();
  close_both(ending);
  if (const auto on_end = std::exchange(on_end_, nullptr)) on_end();
}

void Connection::close_both(Ending ending) {
  close_channel();
  delivery_.cancel();
  error_code ignored;
  // Fails on a Unix socket, which has no reset.
  if (ending == Ending::reset) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
  socket_.close(ignored);
}

void Connection::close_channel() {
  if (!channel_) return;
  buffers_->forget(*this);
  channel_->observe(nullptr);
  channel_.reset();
  turns_->wake();  // it may have been the one that waited for room
}

}  // namespace holdfast::forward
