#include "forward/connection.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <utility>

namespace holdfast::forward {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

constexpr std::size_t turn_quota = std::size_t{128} * 1024;

}  // namespace

Connection::Connection(Socket socket, ssh::Channel channel, std::shared_ptr<Turns> turns,
                       std::shared_ptr<Buffers> buffers, Duration longest_stall, std::function<void()> on_end)
    : socket_(std::move(socket)),
      channel_(std::move(channel)),
      turns_(std::move(turns)),
      buffers_(std::move(buffers)),
      longest_stall_(longest_stall),
      on_end_(std::move(on_end)),
      down_(socket_) {}

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
  screening_.begin(mark, std::move(decided));
}

void Connection::lift_limit() {
  if (screening_.lift_limit()) turns_->join(weak_from_this());
}

bool Connection::screen_out(std::span<const std::byte> data) {
  const bool marked = screening_.decide(data);
  asio::post(socket_.get_executor(), [weak = weak_from_this(), marked] {
    const auto self = weak.lock();
    if (self && self->channel_) self->screening_.tell(marked);
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
  if (screening_.is_undecided() && screen_out(data)) return 0;
  const auto progress = down_.send(data);
  if (!progress) return 0;
  switch (*progress) {
    case Downstream::Progress::done:
      break;
    case Downstream::Progress::blocked:
      await_writable();
      account_soon();
      break;
    case Downstream::Progress::broken:
      fail_soon();
      break;
  }
  return data.size();
}

void Connection::flush() {
  switch (down_.flush(*channel_)) {
    case Downstream::Progress::done:
      return;
    case Downstream::Progress::blocked:
      return await_writable();
    case Downstream::Progress::broken:
      return end(Ending::close);
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
    const std::size_t admitted = screening_.admit(buffer.size());
    if (admitted == 0) return Served::all;
    const std::size_t room = std::min(channel_->writable(), admitted);
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
    screening_.note_passed(size);
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
  if (channel_) buffers_->note(*this, down_.held() + channel_->buffered(), Clock::now());
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
  if (!down_.is_flushed()) {
    if (!channel_->is_open()) delivery().watch_stall();
    return;
  }
  if (!relay_eof_ && channel_->at_eof()) {
    relay_eof_ = true;
    error_code gone;
    socket_.shutdown(Socket::shutdown_send, gone);
  }
  if (relay_eof_ && local_eof_) return end(Ending::close);
  if (channel_->is_open()) return;
  close_channel();
  // A reset throws away what the kernel has not sent yet, and so does a close with unread input (RFC 1122, 4.2.2.13).
  delivery().finish();
}

Delivery& Connection::delivery() {
  if (!delivery_) {
    delivery_ =
        std::make_shared<Delivery>(socket_.get_executor(), down_, longest_stall_, [weak = weak_from_this()](bool all) {
          if (const auto self = weak.lock()) self->end(all && self->relay_eof_ ? Ending::close : Ending::reset);
        });
  }
  return *delivery_;
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

void Connection::end(Ending ending) {
  const auto self = shared_from_this();
  close_both(ending);
  if (const auto on_end = std::exchange(on_end_, nullptr)) on_end();
}

void Connection::close_both(Ending ending) {
  close_channel();
  if (delivery_) delivery_->cancel();
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
