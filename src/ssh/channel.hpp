#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

namespace holdfast::ssh {

/// What a channel tells its owner.
class ChannelObserver {
 public:
  /// Called INSIDE libssh: must not call the channel or the session. It may come during any call of any channel, its
  /// own write() included: libssh reads while it writes. Returns how many bytes it took; with less than
  /// all, the rest stays in the channel (the relay's window closes behind it) until take_buffered().
  virtual std::size_t on_data(std::span<const std::byte> data) = 0;
  /// From the event loop, after each turn in which something of this channel may have changed: room to write, more
  /// left behind by on_data(), EOF or CLOSE received, the session gone. The owner may destroy the channel here.
  virtual void on_ready() = 0;

 protected:
  ~ChannelObserver() = default;
};

/// One open SSH channel. Destroying it sends CLOSE (and waits for the relay's inside the session). It may outlive its
/// session: then every call is harmless and is_open() is false.
class Channel {
 public:
  class State;
  explicit Channel(std::shared_ptr<State> state);
  ~Channel();
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// Must be set before control returns to the event loop; reset to nullptr to be told no more.
  void observe(ChannelObserver* observer);

  /// How much write() would take now: 0 while the session has output pending, a rekey runs, the peer's window is
  /// closed, or the channel is not open. Read that much from the source, not more.
  std::size_t writable() const;
  /// No channel of the session may write now. Each that asked writable() gets on_ready() when that ends.
  bool session_full() const;
  /// Takes at most writable() bytes, and all of them; returns how many.
  std::size_t write(std::span<const std::byte> data);
  /// Half-close: no more data from us. Idempotent.
  void send_eof();

  /// All that on_data() left behind, in one piece; re-opens the relay's window.
  std::vector<std::byte> take_buffered();
  /// How much on_data() left behind.
  std::size_t buffered() const;
  /// The relay sent EOF, and everything before it was handed over.
  bool at_eof() const;
  /// False once the relay sent CLOSE or the session is gone. Data that came before CLOSE stays readable; what a session
  /// that is gone had not handed over is lost.
  bool is_open() const;

 private:
  std::shared_ptr<State> state_;
};

/// Why the relay did not open a channel that we asked for (RFC 4254, 5.1).
enum class OpenFailure {
  prohibited,     ///< SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
  refused,        ///< SSH_OPEN_CONNECT_FAILED, and the relay says that the connection was refused
  not_connected,  ///< SSH_OPEN_CONNECT_FAILED, and the relay says anything else: it may not know the name
  other,          ///< anything else, and a command that the relay would not run
};
struct OpenRefusal {
  OpenFailure reason = OpenFailure::other;
  std::string words{};  ///< the relay's own, made fit for a log line
};
/// Data may be waiting in a new channel already: begin with take_buffered().
using OpenHandler = std::function<void(tl::expected<Channel, OpenRefusal>)>;

/// Whoever waits for a channel that the session was asked for. The relay may still open one that nobody waits for any
/// more: that is closed.
class Awaited {
 public:
  /// For Session::open_...(): calls `handler`, unless this is gone by then, gave up, or waits for another.
  OpenHandler by(OpenHandler handler) {
    handler_ = std::make_shared<OpenHandler>(std::move(handler));
    return [weak = std::weak_ptr(handler_)](tl::expected<Channel, OpenRefusal> opened) {
      if (const auto waiting = weak.lock()) (*waiting)(std::move(opened));
    };
  }
  void give_up() { handler_.reset(); }

 private:
  std::shared_ptr<OpenHandler> handler_;
};

/// A forwarded-tcpip open that waits for an answer (RFC 4254, 7.2), so that a refused target can be passed on.
class OpenRequest {
 public:
  class State;
  OpenRequest(std::size_t forward, std::string originator, std::uint16_t originator_port, std::unique_ptr<State> state);
  ~OpenRequest();
  OpenRequest(OpenRequest&&) noexcept;
  OpenRequest& operator=(OpenRequest&&) noexcept;

  std::size_t forward() const { return forward_; }  ///< index into TunnelSpec::remote_forward
  const std::string& originator() const { return originator_; }
  std::uint16_t originator_port() const { return originator_port_; }

  /// None if the session is gone. Afterwards the request is spent.
  std::optional<Channel> accept();
  /// SSH_OPEN_FAILURE; what dropping it does.
  void refuse();

 private:
  std::size_t forward_;
  std::string originator_;
  std::uint16_t originator_port_;
  std::unique_ptr<State> state_;
};

}  // namespace holdfast::ssh
