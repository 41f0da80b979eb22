#pragma once

#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "forward/buffers.hpp"
#include "forward/target.hpp"
#include "forward/turns.hpp"
#include "holdfast/time.hpp"
#include "ssh/channel.hpp"

namespace holdfast::forward {

/// One forwarded connection: a channel and a local socket, both ways, until both directions ended.
///
///     relay ──▶ channel ──on_data──▶ [pending] ──▶ local socket      down
///     relay ◀── channel ◀──────────────────────── local socket      up
///
/// Down: on_data() sends to the socket directly; what the kernel does not take waits in `pending`, and meanwhile
/// everything else stays in the channel, behind which the relay's window closes. Up: the socket is read only when the
/// channel has room, in turns with the other connections, a Quantum at a time. So whatever its two ends do, a
/// connection holds at most two of the windows that we grant (one in `pending`, one in the channel) and one such read;
/// the session cuts off a relay that overruns its window. What all hold together is bounded by Buffers.
///
/// EOF is passed on as half a close, each way. A local reset closes the channel at once; a channel that ends without
/// EOF (closed, or its session lost) resets the local socket, after what had come was delivered or the socket took
/// nothing for `longest_stall`.
class Connection final : public ssh::ChannelObserver,
                         public Sender,
                         public Buffers::Holder,
                         public std::enable_shared_from_this<Connection> {
 public:
  /// `on_end` is called once, from the loop, after both ends are closed.
  /// `longest_stall`: see Limits.
  Connection(Socket socket, ssh::Channel channel, std::shared_ptr<Turns> turns, std::shared_ptr<Buffers> buffers,
             Duration longest_stall, std::function<void()> on_end);

  void start();
  /// Closes the channel and resets the local socket, at once, without on_end.
  void abort();
  /// The same, with a plain close of the local socket.
  void hang_up();

  /// The same, but the channel stays open, and is handed out; none if it was closed already.
  std::optional<ssh::Channel> keep_channel();

  /// Before start(): if what comes first from the relay begins with `mark`, it is taken out. `decided` is then called
  /// from the loop, once, with whether it did. Until lift_limit() only the target's first 256 bytes pass.
  void screen(std::span<const std::byte> mark, std::function<void(bool marked)> decided);
  void lift_limit();
  /// screen() was called and nothing came from the relay yet.
  bool is_screened() const { return screen_.has_value(); }

  std::size_t on_data(std::span<const std::byte> data) override;
  void on_ready() override;
  Served serve(std::span<std::byte> buffer) override;
  void give_up() override;
  /// It ended because the tunnel's connections held too much.
  bool gave_up() const { return gave_up_; }

 private:
  enum class Ending { close, reset };
  struct Screen {
    std::vector<std::byte> mark;
    std::function<void(bool marked)> decided;
  };

  /// True if the data is the mark. Inside libssh.
  bool screen_out(std::span<const std::byte> data);
  void await_readable();
  void await_writable();
  void await_error();
  /// Sends `pending_`, then what the channel kept back, until the kernel takes no more.
  void flush();
  /// Tells how much is held.
  void account();
  void account_soon();
  /// How much of `data` the kernel took; none when the socket is broken.
  std::optional<std::size_t> send_down(std::span<const std::byte> data);
  void pass_local_eof();
  void finish_if_over();
  /// The channel is closed, and the local end does not take what is left.
  void watch_stall();
  /// Grows with what the local end has acknowledged (TCP) or read (Unix).
  std::size_t delivered();
  /// Ends after the kernel has delivered what it holds, or after a while.
  void end_after_delivery(Ending ending);
  void poll_delivery(Ending ending, std::size_t seen, int polls_left);
  void end(Ending ending);
  /// end(), for inside libssh.
  void fail_soon();
  void close_both(Ending ending);
  void close_channel();

  Socket socket_;
  std::optional<ssh::Channel> channel_;  ///< none: over, but for what the kernel still delivers
  std::shared_ptr<Turns> turns_;
  std::shared_ptr<Buffers> buffers_;
  Duration longest_stall_;
  std::function<void()> on_end_;
  boost::asio::steady_timer delivery_;

  std::optional<Screen> screen_;
  std::optional<std::size_t> limit_;  ///< how much more may pass to the relay
  bool held_back_ = false;            ///< the target may have said more than that

  std::vector<std::byte> pending_;
  std::size_t pending_sent_ = 0;
  std::size_t sent_down_ = 0;  ///< all that the kernel took
  bool stall_watched_ = false;
  bool left_behind_ = false;  ///< on_data() declined: the channel holds more
  bool taking_ = false;       ///< inside take_buffered(), where libssh may call on_data()
  bool writable_awaited_ = false;
  bool window_awaited_ = false;  ///< the visitor's end takes nothing more: not in the queue
  bool gave_up_ = false;
  bool broken_ = false;     ///< fail_soon() was called
  bool local_eof_ = false;  ///< read, and passed on
  bool relay_eof_ = false;  ///< received, and passed on
};

}  // namespace holdfast::forward
