#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "holdfast/time.hpp"
#include "ssh/channel.hpp"
#include "ssh/handles.hpp"
#include "ssh/read_space.hpp"

namespace holdfast::ssh {

using Channels = std::vector<std::shared_ptr<Channel::State>>;

/// The channels of a session with something to do, so that a turn costs what happened in it and not what stands.
struct ChannelsToDo {
  Channels changed;   ///< their observers are to be told
  Channels waiting;   ///< asked for room when there was none
  Channels unsent;    ///< hold what could not be written during a key exchange
  Channels received;  ///< something came since windows were last tuned
  Channels released;  ///< CLOSE is to be sent
  Channels over;      ///< both CLOSEs are through
};

/// How far the windows of a session's channels may be raised.
struct WindowBudget {
  Duration round_trip{};    ///< to the relay's sshd and back
  std::size_t largest = 0;  ///< of one channel
  /// How much more, all together. A window that is lowered gives its share back although the relay keeps what was
  /// granted: what is held is bounded by forward::Buffers.
  std::size_t room = 0;
};

/// What a session shares with its channels and open requests, which may outlive it.
struct Link {
  ssh_session session = nullptr;  ///< null once the session is gone
  std::function<void()> wake;     ///< asks for a turn of the session
  std::function<void()> gather;   ///< what is written before that turn goes out in one segment
  Channels channels;
  ChannelsToDo to_do;
  std::unordered_set<OpenRequest::State*> held;  ///< unanswered
  WindowBudget windows;
  std::optional<ReadSpace> read_space;
  bool window_ignored = false;   ///< a peer sent more than its window allows
  bool bad_packet_size = false;  ///< a peer takes packets only that hold next to nothing
  ssh_counter_struct socket{};   ///< bytes on the wire
  ssh_counter_struct packets{};  ///< payload and packets
  /// Packets of data of channels, either way, their ends, and answers that were waited for.
  std::uint64_t served = 0;
  /// Set when a write was only queued because keys are being exchanged: no more until that many packets went out.
  std::uint64_t writable_from_packet = 0;

  /// libssh buffers without a bound, so nothing is written while it has something left.
  bool output_blocked() const {
    return (ssh_get_status(session) & SSH_WRITE_PENDING) != 0 || packets.out_packets < writable_from_packet;
  }
};

class OpenRequest::State {
 public:
  State(std::shared_ptr<Link> link, MessageHandle message);
  ~State();
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  std::optional<Channel> accept();
  void refuse();
  /// The session ends: frees the message without an answer.
  void forget() { message_.reset(); }

 private:
  MessageHandle take();

  std::shared_ptr<Link> link_;
  MessageHandle message_;
};

/// Writes what channels could not write during a key exchange.
void flush_channels(Link& link);
/// Takes in a channel that has just been opened at our request.
std::shared_ptr<Channel::State> track(const std::shared_ptr<Link>& link, ssh_channel channel);
/// Raises and re-opens the windows of channels on which something came. Outside of libssh's callbacks only.
void tune_windows(Link& link, TimePoint now);
/// Lowers those that were raised and are of no use, for a channel that has better use for them.
void give_back_windows(const Link& link, TimePoint now);
/// Sends CLOSE for every channel that was let go. Outside of libssh's callbacks only.
void close_released(Link& link);
/// Frees those whose CLOSE came back. No message of the session may be queued in libssh: it could name the channel.
void free_closed(Link& link);
/// Tells each channel's observer what changed. `first` rotates, so that none is always served first.
void notify_channels(Link& link, std::size_t first);
/// The owners' hold ends: all are to be closed.
void release_all(Link& link);
bool all_closes_sent(const Link& link);
/// Cuts channels and requests off from the session, which is about to be freed. Returns the channels, to be told.
Channels cut_off(Link& link);
void tell_gone(const Channels& channels);

}  // namespace holdfast::ssh
