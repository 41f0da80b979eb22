#include "ssh/channel.hpp"

#include <libssh/callbacks.h>

#include <algorithm>
#include <array>
#include <utility>

#include "ssh/guarded_write.hpp"
#include "ssh/link.hpp"
#include "ssh/receive_window.hpp"

namespace holdfast::ssh {
namespace {

/// What one write() takes at most.
constexpr std::size_t largest_write = std::size_t{256} * 1024;
/// libssh grants at most 1,280,000 bytes on top of a half-full buffer (channels.c, WINDOWBASE; 2 MiB from 0.11 on).
/// Whoever fills this much more than we ever granted ignores the window.
constexpr std::size_t most_excess = std::size_t{4} * 1024 * 1024;
/// What is written to a channel before it is known what packets it takes; the least that one has to hold, for of a peer
/// that takes single bytes each would cost forty; and how many may go out by the way, as answers to what came in.
/// Implementations announce some thousands at least.
constexpr std::size_t trial_write = 1024;
constexpr std::size_t least_packet = 256;
constexpr std::size_t packets_by_the_way = 16;
/// A raised window that was of no use for that long, or for two round trips, may go to another channel.
constexpr Duration window_kept = std::chrono::seconds{1};

}  // namespace

/// For a channel that has better use for them.
void give_back_windows(const Link& link, TimePoint now);

/// libssh's channel with what its callbacks recorded. They run inside almost any call into libssh, so that they set
/// flags only, and hand data over.
class Channel::State : public std::enable_shared_from_this<State> {
 public:
  State(std::shared_ptr<Link> link, ssh_channel channel, std::size_t place)
      : link_(std::move(link)), channel_(channel), place_(place) {
    callbacks_.size = sizeof callbacks_;
    callbacks_.userdata = this;
    callbacks_.channel_data_function = &State::data_arrived;
    callbacks_.channel_eof_function = [](ssh_session, ssh_channel, void* self) {
      static_cast<State*>(self)->end_arrived(false);
    };
    callbacks_.channel_close_function = [](ssh_session, ssh_channel, void* self) {
      static_cast<State*>(self)->end_arrived(true);
    };
    ssh_set_channel_callbacks(channel_, &callbacks_);
    if (windows_can_be_raised()) return;
    fixed_window_.emplace();
    rest_callbacks_.size = sizeof rest_callbacks_;
    rest_callbacks_.userdata = this;
    rest_callbacks_.channel_data_function = &State::rest_offered;
    ssh_add_channel_callbacks(channel_, &rest_callbacks_);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  /// What came between the opening and our callbacks was not told to anybody.
  void catch_up() {
    const int waiting = ssh_channel_poll(channel_, 0);
    const std::size_t held = waiting > 0 ? static_cast<std::size_t>(waiting) : 0;
    if (held > 0) came(held, held);
    stalled_ = buffered_ > 0;
    drop_errors();
    look_for_end();
    note_change();
  }

  bool is_open() const { return channel_ != nullptr && !remote_closed_ && !released_; }
  std::size_t buffered() const { return buffered_; }
  bool at_eof() const { return remote_eof_ && buffered_ == 0; }
  bool released() const { return released_; }
  bool close_sent() const { return close_sent_; }
  std::size_t place() const { return place_; }
  void move_to(std::size_t place) { place_ = place; }

  void observe(ChannelObserver* observer) { observer_ = observer; }

  void release() {
    observer_ = nullptr;
    release_softly();
  }

  /// The session closes under its owner: it is still to be told.
  void release_softly() {
    if (std::exchange(released_, true) || channel_ == nullptr) return;
    link_->released.push_back(shared_from_this());
    note_change();
    link_->wake();
  }

  std::size_t writable() {
    if (!is_open() || eof_wanted_) return 0;
    const std::size_t room = can_write() ? std::min<std::size_t>(ssh_channel_window_size(channel_), largest_write) : 0;
    if (room > 0) return room;
    session_was_full_ = session_was_full_ || link_->output_blocked();
    if (!std::exchange(waiting_, true)) link_->waiting.push_back(shared_from_this());
    return 0;
  }

  bool session_full() const { return is_open() && link_->output_blocked(); }

  /// Whatever was promised by writable() is taken: libssh takes nothing while the relay exchanges keys, and does not
  /// tell beforehand.
  std::size_t write(std::span<const std::byte> data) {
    const std::size_t count = std::min(data.size(), writable());
    if (count == 0) return 0;
    const std::size_t taken = pass_on(data.first(count));
    if (taken < count) link_->unsent.push_back(shared_from_this());
    unsent_.assign(data.begin() + static_cast<std::ptrdiff_t>(taken),
                   data.begin() + static_cast<std::ptrdiff_t>(count));
    link_->wake();
    return count;
  }

  void send_eof() {
    if (!is_open() || eof_wanted_) return;
    eof_wanted_ = true;
    if (unsent_.empty()) pass_on_eof();
    link_->wake();
  }

  /// What write() and send_eof() left over, as soon as it can go. True if nothing is left.
  bool flush() {
    if (channel_ == nullptr) return true;
    if (link_->output_blocked()) return false;
    const std::size_t taken = pass_on(unsent_);
    unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(taken));
    if (unsent_.empty() && eof_wanted_) pass_on_eof();
    return unsent_.empty();
  }

  /// In one read with libssh 0.10, which re-opens the whole window after any, however small, and so would buffer
  /// without a bound.
  std::vector<std::byte> take_buffered() {
    stalled_ = false;
    std::vector<std::byte> data = std::exchange(kept_, {});
    const std::size_t kept = data.size();
    data.resize(std::exchange(buffered_, 0));
    if (channel_ == nullptr || data.empty()) return {};
    for (std::size_t filled = kept; filled < data.size();) {
      const std::size_t share = share_of(data.size() - filled);
      const int count = ssh_channel_read(channel_, data.data() + filled, static_cast<std::uint32_t>(share), 0);
      const std::size_t taken = count > 0 ? static_cast<std::size_t>(count) : 0;
      window_.read();
      note_taken(taken);
      filled += taken;
      if (taken < share) data.resize(filled);
    }
    look_for_end();
    link_->wake();
    return data;
  }

  /// After something came, outside of callbacks. While the observer is stalled nothing is granted.
  void tune_window(TimePoint now) {
    arrival_noted_ = false;
    if (!is_open() || remote_eof_ || stalled_) return;
    if (const std::size_t wanted = window_.wanted(now, link_->round_trip)) raise_window(wanted, now);
    if (window_.grant_due()) grant_window();
  }

  void give_back_window(TimePoint now) {
    if (window_.is_raised() && now - window_.last_used() >= std::max(window_kept, 2 * link_->round_trip)) {
      lower_window();
    }
  }

  /// The first call sends only EOF while output is pending, and says SSH_AGAIN; the second then queues CLOSE. True if
  /// it is sent.
  bool send_close() {
    if (!unsent_.empty() && !remote_closed_) return false;
    if (buffered_ > 0) static_cast<void>(take_buffered());  // the relay may take its time to close
    for (int attempt = 0; attempt < 3 && !close_sent_; ++attempt) {
      const int rc = ssh_channel_close(channel_);
      if (rc == SSH_OK) close_sent_ = true;
      if (rc == SSH_ERROR) return false;
    }
    look_whether_over();
    return close_sent_;
  }

  /// Both CLOSEs are through, so that libssh frees it at once and nothing is called any more.
  void free() {
    remove_callbacks();
    ssh_channel_free(std::exchange(channel_, nullptr));
    lower_window();
  }

  /// libssh frees the channel with the session.
  void cut_off() {
    if (channel_ != nullptr) remove_callbacks();
    channel_ = nullptr;
    buffered_ = 0;
    kept_.clear();
    unsent_.clear();
  }

  /// Whether the wait is over: there is room, or there never will be. Who waited for the session, which has room now,
  /// asks again: it may learn that its own window is closed, and let others pass.
  bool waits_no_more() {
    if (!std::exchange(session_was_full_, false) && is_open() &&
        (!unsent_.empty() || ssh_channel_window_size(channel_) == 0))
      return false;
    waiting_ = false;
    return true;
  }

  void forget_change() { changed_ = false; }

  void notify() {
    if (observer_ != nullptr) observer_->on_ready();
  }

 private:
  bool can_write() const { return unsent_.empty() && !link_->output_blocked(); }

  std::size_t pass_on(std::span<const std::byte> data) {
    if (packets_known_) return put(data);
    const std::size_t tried = put(data.first(std::min(data.size(), trial_write)));
    return packets_known_ ? tried + put(data.subspan(tried)) : tried;
  }

  /// What ssh_channel_write() takes. Until the size of the channel's packets is known it is watched, and then told by
  /// how many it made.
  std::size_t put(std::span<const std::byte> data) {
    if (data.empty() || link_->bad_packet_size) return 0;
    const auto packets = link_->packets.out_packets;
    const std::optional<int> written =
        packets_known_ ? ssh_channel_write(channel_, data.data(), static_cast<std::uint32_t>(data.size()))
                       : guarded_write(channel_, data);
    const int taken = written.value_or(0);
    const auto made = link_->packets.out_packets - packets;
    link_->served += made;
    if (!written || made > packets_by_the_way + data.size() / least_packet) link_->bad_packet_size = true;
    packets_known_ = packets_known_ || (taken >= static_cast<int>(2 * least_packet) && made > 0);
    if (taken <= 0) return 0;  // keys are being exchanged, or the session is dead, which its next turn finds
    // Not one packet went out: we began an exchange of keys, and libssh queues for later what it takes meanwhile. At
    // least the end of the exchange and one queued packet have to be sent before there is room again.
    if (link_->packets.out_packets == packets) link_->writable_from_packet = packets + 2;
    return static_cast<std::size_t>(taken);
  }

  void pass_on_eof() { ssh_channel_send_eof(channel_); }  // SSH_AGAIN means that it is queued

  void raise_window(std::size_t wanted, TimePoint now) {
    const std::size_t size = std::min(wanted, link_->largest_window);
    if (!windows_can_be_raised() || size <= window_.target()) return;
    const std::size_t more = size - window_.target();
    if (more > link_->window_room) give_back_windows(*link_, now);
    if (more > link_->window_room) return;
    link_->window_room -= more;
    window_.set_target(size);
    largest_window_ = std::max(largest_window_, size);
  }

  void lower_window() {
    link_->window_room += window_.target() - ReceiveWindow::stock;
    window_.set_target(ReceiveWindow::stock);
  }

  /// A read that asks for more than libssh's buffer and window together makes libssh 0.10 grant the difference. It also
  /// lets libssh receive, and so may bring what the observer leaves behind.
  void grant_window() {
    if (!link_->read_space) link_->read_space.emplace(link_->largest_window);
    std::byte* const space = link_->read_space->data();
    if (space == nullptr) return;
    window_.granted();
    const int count = ssh_channel_read(channel_, space, static_cast<std::uint32_t>(window_.target()), 0);
    if (count > 0) kept_.assign(space, space + count);
  }

  void remove_callbacks() {
    ssh_remove_channel_callbacks(channel_, &callbacks_);
    ssh_remove_channel_callbacks(channel_, &rest_callbacks_);
  }

  /// How much of what libssh holds is taken in one piece.
  std::size_t share_of(std::size_t length) const { return fixed_window_ ? fixed_window_->share(length) : length; }

  void note_taken(std::size_t count) {
    if (fixed_window_) fixed_window_->taken(count);
  }

  static int data_arrived(ssh_session, ssh_channel, void* data, std::uint32_t length, int is_stderr, void* self) {
    auto& state = *static_cast<State*>(self);
    ++state.link_->served;
    // A forwarded connection has no second stream (RFC 4254, 7.2): what comes there is dropped.
    if (is_stderr != 0) {
      state.note_taken(length);
      return static_cast<int>(length);
    }
    return static_cast<int>(state.take(data, length, state.rest_is_offered_ ? state.share_of(length) : length));
  }

  /// libssh grants what data_arrived() took, and offers the rest here. Until that was seen nothing is left for it.
  static int rest_offered(ssh_session, ssh_channel, void* data, std::uint32_t length, int is_stderr, void* self) {
    auto& state = *static_cast<State*>(self);
    state.rest_is_offered_ = true;
    return is_stderr != 0 ? 0 : static_cast<int>(state.take(data, length, length));
  }

  /// `data` is all that libssh holds, of which the observer is offered a share. What is not taken stays there and keeps
  /// the window shut.
  std::size_t take(const void* data, std::size_t length, std::size_t share) {
    if (released_ || length == 0) return length;
    const std::size_t held = buffered_ - kept_.size();
    std::size_t taken = 0;
    if (!stalled_ && observer_ != nullptr) {
      taken = std::min(observer_->on_data({static_cast<const std::byte*>(data), share}), share);
    }
    note_taken(taken);
    came(length - std::min(held, length), length - taken);
    stalled_ = taken < share;
    return taken;
  }

  /// `count` bytes came, and libssh holds `buffered` now.
  void came(std::size_t count, std::size_t buffered) {
    window_.arrived(count, buffered);
    buffered_ = kept_.size() + buffered;
    if (buffered_ > 0) note_change();
    if (buffered_ > largest_window_ + most_excess) link_->window_ignored = true;
    if (!std::exchange(arrival_noted_, true)) link_->received.push_back(shared_from_this());
  }

  /// For what came before our callbacks: libssh shows no end while it holds data.
  void look_for_end() {
    remote_eof_ = remote_eof_ || ssh_channel_is_eof(channel_) != 0;
    remote_closed_ = remote_closed_ || ssh_channel_is_closed(channel_) != 0;
    look_whether_over();
  }

  /// The second stream's, likewise: a login shell may say why it runs nothing, and end.
  void drop_errors() {
    std::array<char, 1024> piece{};
    for (int waiting = 0; (waiting = ssh_channel_poll(channel_, 1)) > 0;) {
      const auto length = std::min(piece.size(), static_cast<std::size_t>(waiting));
      const int count = ssh_channel_read(channel_, piece.data(), static_cast<std::uint32_t>(length), 1);
      if (count <= 0) return;
      note_taken(static_cast<std::size_t>(count));
    }
  }

  void end_arrived(bool closed) {
    ++link_->served;
    remote_eof_ = true;
    remote_closed_ = remote_closed_ || closed;
    note_change();
    look_whether_over();
  }

  void note_change() {
    if (!std::exchange(changed_, true)) link_->changed.push_back(shared_from_this());
  }

  void look_whether_over() {
    if (close_sent_ && remote_closed_ && !std::exchange(over_, true)) link_->over.push_back(shared_from_this());
  }

  std::shared_ptr<Link> link_;
  ssh_channel channel_;
  std::size_t place_;  ///< in Link::channels
  ssh_channel_callbacks_struct callbacks_{};
  ssh_channel_callbacks_struct rest_callbacks_{};
  bool rest_is_offered_ = false;  ///< libssh was seen to call those after `callbacks_`
  ChannelObserver* observer_ = nullptr;
  std::vector<std::byte> unsent_;
  ReceiveWindow window_;
  std::optional<FixedWindow> fixed_window_;
  std::size_t largest_window_ = 0;  ///< ever raised to
  std::vector<std::byte> kept_;     ///< left by the observer, and not in libssh any more
  std::size_t buffered_ = 0;        ///< left by the observer: `kept_` and what libssh holds
  bool arrival_noted_ = false;      ///< is in Link::received
  bool stalled_ = false;            ///< the observer left something: it gets nothing more until it took that
  bool waiting_ = false;            ///< is in Link::waiting
  bool session_was_full_ = false;   ///< when it asked for room
  bool changed_ = false;            ///< is in Link::changed
  bool over_ = false;               ///< is in Link::over
  bool packets_known_ = false;      ///< that they are not too small
  bool eof_wanted_ = false;
  bool remote_eof_ = false;
  bool remote_closed_ = false;
  bool released_ = false;
  bool close_sent_ = false;
};

void give_back_windows(const Link& link, TimePoint now) {
  for (const auto& state : link.channels) state->give_back_window(now);
}

void flush_channels(Link& link) {
  std::erase_if(link.unsent, [](const std::shared_ptr<Channel::State>& state) { return state->flush(); });
}

void tune_windows(Link& link, TimePoint now) {
  for (const auto& state : std::exchange(link.received, {})) state->tune_window(now);
}

std::shared_ptr<Channel::State> take_in(const std::shared_ptr<Link>& link, ssh_channel channel) {
  link->channels.push_back(std::make_shared<Channel::State>(link, channel, link->channels.size()));
  return link->channels.back();
}

std::shared_ptr<Channel::State> track(const std::shared_ptr<Link>& link, ssh_channel channel) {
  auto state = take_in(link, channel);
  state->catch_up();
  return state;
}

void close_released(Link& link) {
  std::erase_if(link.released, [](const std::shared_ptr<Channel::State>& state) { return state->send_close(); });
}

void free_closed(Link& link) {
  for (const auto& state : std::exchange(link.over, {})) {
    const std::size_t place = state->place();
    link.channels.back()->move_to(place);
    std::swap(link.channels[place], link.channels.back());
    link.channels.pop_back();
    state->free();
  }
}

void notify_channels(Link& link, std::size_t first) {
  // An observer may let channels go, accept new ones or end the session.
  Link::Channels ready;
  if (!link.waiting.empty() && !link.output_blocked()) {
    std::erase_if(link.waiting, [&ready](const std::shared_ptr<Channel::State>& state) {
      if (!state->waits_no_more()) return false;
      ready.push_back(state);
      return true;
    });
  }
  for (auto& state : std::exchange(link.changed, {})) {
    state->forget_change();
    ready.push_back(std::move(state));
  }
  if (ready.empty()) return;
  std::rotate(ready.begin(), ready.begin() + static_cast<std::ptrdiff_t>(first % ready.size()), ready.end());
  for (const auto& state : ready) state->notify();
}

void release_all(Link& link) {
  for (const auto& state : link.channels) {
    if (!state->released()) state->release_softly();
  }
}

bool all_closes_sent(const Link& link) {
  return std::all_of(link.channels.begin(), link.channels.end(),
                     [](const std::shared_ptr<Channel::State>& state) { return state->close_sent(); });
}

std::vector<std::shared_ptr<Channel::State>> cut_off(Link& link) {
  for (const auto& state : link.channels) state->cut_off();
  for (auto* request : link.held) request->forget();
  for (Link::Channels* list : {&link.changed, &link.waiting, &link.unsent, &link.received, &link.released, &link.over})
    list->clear();
  link.session = nullptr;
  return std::exchange(link.channels, {});
}

void tell_gone(const std::vector<std::shared_ptr<Channel::State>>& channels) {
  for (const auto& state : channels) state->notify();
}

OpenRequest::State::State(std::shared_ptr<Link> link, MessageHandle message)
    : link_(std::move(link)), message_(std::move(message)) {
  link_->held.insert(this);
}

OpenRequest::State::~State() {
  refuse();
  link_->held.erase(this);
}

MessageHandle OpenRequest::State::take() {
  link_->held.erase(this);
  return std::move(message_);
}

std::optional<Channel> OpenRequest::State::accept() {
  const auto message = take();
  if (!message) return std::nullopt;
  link_->gather();  // the first bytes often follow at once
  ssh_channel channel = ssh_message_channel_request_open_reply_accept(message.get());
  link_->wake();
  if (channel == nullptr) return std::nullopt;
  return Channel{take_in(link_, channel)};
}

void OpenRequest::State::refuse() {
  const auto message = take();
  if (!message) return;
  ssh_message_reply_default(message.get());
  link_->wake();
}

OpenRequest::OpenRequest(std::size_t forward, std::string originator, std::uint16_t originator_port,
                         std::unique_ptr<State> state)
    : forward_(forward),
      originator_(std::move(originator)),
      originator_port_(originator_port),
      state_(std::move(state)) {}
OpenRequest::~OpenRequest() = default;
OpenRequest::OpenRequest(OpenRequest&&) noexcept = default;
OpenRequest& OpenRequest::operator=(OpenRequest&&) noexcept = default;

std::optional<Channel> OpenRequest::accept() {
  const auto state = std::move(state_);
  return state ? state->accept() : std::nullopt;
}

void OpenRequest::refuse() {
  state_.reset();
}

Channel::Channel(std::shared_ptr<State> state) : state_(std::move(state)) {}
Channel::Channel(Channel&&) noexcept = default;

Channel::~Channel() {
  if (state_) state_->release();
}

Channel& Channel::operator=(Channel&& other) noexcept {
  if (this == &other) return *this;
  if (state_) state_->release();
  state_ = std::move(other.state_);
  return *this;
}

void Channel::observe(ChannelObserver* observer) {
  state_->observe(observer);
}
std::size_t Channel::writable() const {
  return state_->writable();
}
bool Channel::session_full() const {
  return state_->session_full();
}
std::size_t Channel::write(std::span<const std::byte> data) {
  return state_->write(data);
}
void Channel::send_eof() {
  state_->send_eof();
}
std::vector<std::byte> Channel::take_buffered() {
  return state_->take_buffered();
}
std::size_t Channel::buffered() const {
  return state_->buffered();
}
bool Channel::at_eof() const {
  return state_->at_eof();
}
bool Channel::is_open() const {
  return state_->is_open();
}

}  // namespace holdfast::ssh
