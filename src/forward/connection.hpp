#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "forward/buffers.hpp"
#include "forward/delivery.hpp"
#include "forward/downstream.hpp"
#include "forward/screening.hpp"
#include "forward/target.hpp"
#include "forward/turns.hpp"
#include "holdfast/time.hpp"
#include "ssh/channel.hpp"

namespace holdfast::forward {

/// One forwarded connection: a channel and a local socket, both ways, until both directions ended.
///
///     relay ──▶ channel ──on_data──▶ Downstream ──▶ local socket      down
///     relay ◀── channel ◀───────────────────────── local socket      up
///
/// Down: on_data() sends to the socket directly; what the kernel does not take waits in Downstream, and meanwhile
/// everything else stays in the channel, behind which the relay's window closes. Up: the socket is read only when the
/// channel has room, in turns with the other connections, a Quantum at a time. So whatever its two ends do, a
/// connection holds at most two of the windows that we grant (one in Downstream, one in the channel) and one such read.
/// The session cuts off a relay that overruns its window. What all hold together is bounded by Buffers.
///
/// EOF is passed on as half a close, each way. A local reset closes the channel at once. A channel that ends without
/// EOF (closed, or its session lost) resets the local socket, after what had come was delivered or the socket took
/// nothing for `longest_stall` (Delivery).
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
  /// Closes the channel and the local socket, at once, without on_end.
  void hang_up();

  /// Closes the local socket likewise; the channel stays open, and is handed out. None if it was closed already.
  std::optional<ssh::Channel> keep_channel();

  /// Before start(): if what comes first from the relay begins with `mark`, it is taken out. `decided` is then called
  /// from the loop, once, with whether it did. Until lift_limit() only the target's first 256 bytes pass.
  void screen(std::span<const std::byte> mark, std::function<void(bool marked)> decided);
  void lift_limit();
  /// screen() was called and nothing came from the relay yet.
  bool is_screened() const { return screening_.is_undecided(); }

  std::size_t on_data(std::span<const std::byte> data) override;
  void on_ready() override;
  Served serve(std::span<std::byte> buffer) override;
  void give_up() override;
  /// It ended because the tunnel's connections held too much.
  bool gave_up() const { return gave_up_; }

 private:
  enum class Ending { close, reset };

  /// True if the data is the mark. Inside libssh.
  bool screen_out(std::span<const std::byte> data);
  void await_readable();
  void await_writable();
  void await_error();
  void flush();
  /// Tells how much is held.
  void account();
  void account_soon();
  void pass_local_eof();
  void finish_if_over();
  /// Made when it is first asked for, which is when the relay's end is closed.
  Delivery& delivery();
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

  Downstream down_;
  Screening screening_;
  std::shared_ptr<Delivery> delivery_;  ///< see delivery()
  bool writable_awaited_ = false;
  bool window_awaited_ = false;  ///< the visitor's end takes nothing more: not in the queue
  bool gave_up_ = false;
  bool broken_ = false;     ///< fail_soon() was called
  bool local_eof_ = false;  ///< read, and passed on
  bool relay_eof_ = false;  ///< received, and passed on
};

}  // namespace holdfast::forward
