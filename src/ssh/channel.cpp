#include "ssh/channel.hpp"

#include <libssh/callbacks.h>

#include <algorithm>
#include <utility>

#include "ssh/channel_input.hpp"
#include "ssh/channel_output.hpp"
#include "ssh/link.hpp"

namespace holdfast::ssh {

/// libssh's channel with what its callbacks recorded. They run inside almost any call into libssh, so that they set
/// flags only, and hand data over. What is done with data is ChannelInput's and ChannelOutput's; here are the flags and
/// which of the Link's lists they put the channel on.
class Channel::State : public std::enable_shared_from_this<State> {
 public:
  State(std::shared_ptr<Link> link, ssh_channel channel, std::size_t place)
      : link_(std::move(link)), channel_(channel), place_(place), input_(*link_, channel), output_(*link_, channel) {
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
    input_.note_waiting(waiting > 0 ? static_cast<std::size_t>(waiting) : 0);
    if (input_.left() > 0) note_arrival();
    input_.drop_errors();
    look_for_end();
    note_change();
  }

  bool is_open() const { return channel_ != nullptr && !remote_closed_ && !released_; }
  std::size_t buffered() const { return input_.left(); }
  bool at_eof() const { return remote_eof_ && buffered() == 0; }
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
    link_->to_do.released.push_back(shared_from_this());
    note_change();
    link_->wake();
  }

  std::size_t writable() {
    if (!is_open() || output_.has_ended()) return 0;
    if (const std::size_t room = output_.room(); room > 0) return room;
    session_was_full_ = session_was_full_ || link_->output_blocked();
    if (!std::exchange(listed_.waiting, true)) link_->to_do.waiting.push_back(shared_from_this());
    return 0;
  }

  bool session_full() const { return is_open() && link_->output_blocked(); }

  std::size_t write(std::span<const std::byte> data) {
    const std::size_t count = std::min(data.size(), writable());
    if (count == 0) return 0;
    if (!output_.write(data.first(count))) link_->to_do.unsent.push_back(shared_from_this());
    link_->wake();
    return count;
  }

  void send_eof() {
    if (!is_open() || output_.has_ended()) return;
    output_.end();
    link_->wake();
  }

  /// True if nothing is left.
  bool flush() { return channel_ == nullptr || output_.flush(); }

  std::vector<std::byte> take_buffered() {
    if (channel_ == nullptr) return {};
    const bool any = buffered() > 0;
    std::vector<std::byte> data = input_.take_left();
    if (any) {
      look_for_end();
      link_->wake();
    }
    return data;
  }

  void tune_window(TimePoint now) {
    listed_.received = false;
    if (is_open() && !remote_eof_) input_.tune_window(now);
  }

  void give_back_window(TimePoint now) { input_.give_back_window(now); }

  /// The first call sends only EOF while output is pending, and says SSH_AGAIN; the second then queues CLOSE. True if
  /// it is sent.
  bool send_close() {
    if (!output_.is_flushed() && !remote_closed_) return false;
    if (buffered() > 0) static_cast<void>(take_buffered());  // the relay may take its time to close
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
    ssh_channel_free(channel_);
    input_.lower_window();
    forget();
  }

  /// libssh frees the channel with the session.
  void cut_off() {
    if (channel_ != nullptr) remove_callbacks();
    forget();
  }

  /// Whether the wait is over: there is room, or there never will be. Who waited for the session, which has room now,
  /// asks again: it may learn that its own window is closed, and let others pass.
  bool waits_no_more() {
    if (!std::exchange(session_was_full_, false) && is_open() && output_.is_held_up()) return false;
    listed_.waiting = false;
    return true;
  }

  void forget_change() { listed_.changed = false; }

  void notify() {
    if (observer_ != nullptr) observer_->on_ready();
  }

 private:
  /// In which of the link's lists it is.
  struct Listed {
    bool received = false;
    bool waiting = false;
    bool changed = false;
    bool over = false;
  };

  void forget() {
    channel_ = nullptr;
    input_.forget();
    output_.forget();
  }

  void remove_callbacks() {
    ssh_remove_channel_callbacks(channel_, &callbacks_);
    ssh_remove_channel_callbacks(channel_, &rest_callbacks_);
  }

  static int data_arrived(ssh_session, ssh_channel, void* data, std::uint32_t length, int is_stderr, void* self) {
    auto& state = *static_cast<State*>(self);
    ++state.link_->served;
    // A forwarded connection has no second stream (RFC 4254, 7.2): what comes there is dropped.
    if (is_stderr != 0) {
      state.input_.note_taken(length);
      return static_cast<int>(length);
    }
    return static_cast<int>(state.offer(data, length, state.rest_is_offered_ ? state.input_.share_of(length) : length));
  }

  /// libssh grants what data_arrived() took, and offers the rest here. Until that was seen nothing is left for it.
  static int rest_offered(ssh_session, ssh_channel, void* data, std::uint32_t length, int is_stderr, void* self) {
    auto& state = *static_cast<State*>(self);
    state.rest_is_offered_ = true;
    return is_stderr != 0 ? 0 : static_cast<int>(state.offer(data, length, length));
  }

  std::size_t offer(const void* data, std::size_t length, std::size_t share) {
    if (released_ || length == 0) return length;
    const std::size_t taken = input_.offer(observer_, {static_cast<const std::byte*>(data), length}, share);
    note_arrival();
    return taken;
  }

  void note_arrival() {
    if (buffered() > 0) note_change();
    if (!std::exchange(listed_.received, true)) link_->to_do.received.push_back(shared_from_this());
  }

  /// For what came before our callbacks: libssh shows no end while it holds data.
  void look_for_end() {
    remote_eof_ = remote_eof_ || ssh_channel_is_eof(channel_) != 0;
    remote_closed_ = remote_closed_ || ssh_channel_is_closed(channel_) != 0;
    look_whether_over();
  }

  void end_arrived(bool closed) {
    ++link_->served;
    remote_eof_ = true;
    remote_closed_ = remote_closed_ || closed;
    note_change();
    look_whether_over();
  }

  void note_change() {
    if (!std::exchange(listed_.changed, true)) link_->to_do.changed.push_back(shared_from_this());
  }

  void look_whether_over() {
    if (close_sent_ && remote_closed_ && !std::exchange(listed_.over, true))
      link_->to_do.over.push_back(shared_from_this());
  }

  std::shared_ptr<Link> link_;
  ssh_channel channel_;
  std::size_t place_;  ///< in Link::channels
  ssh_channel_callbacks_struct callbacks_{};
  ssh_channel_callbacks_struct rest_callbacks_{};
  bool rest_is_offered_ = false;  ///< libssh was seen to call those after `callbacks_`
  ChannelObserver* observer_ = nullptr;
  ChannelInput input_;
  ChannelOutput output_;
  Listed listed_;
  bool session_was_full_ = false;  ///< when it asked for room
  bool remote_eof_ = false;
  bool remote_closed_ = false;
  bool released_ = false;
  bool close_sent_ = false;
};

void give_back_windows(const Link& link, TimePoint now) {
  for (const auto& state : link.channels) state->give_back_window(now);
}

void flush_channels(Link& link) {
  std::erase_if(link.to_do.unsent, [](const std::shared_ptr<Channel::State>& state) { return state->flush(); });
}

void tune_windows(Link& link, TimePoint now) {
  for (const auto& state : std::exchange(link.to_do.received, {})) state->tune_window(now);
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
  std::erase_if(link.to_do.released, [](const std::shared_ptr<Channel::State>& state) { return state->send_close(); });
}

void free_closed(Link& link) {
  for (const auto& state : std::exchange(link.to_do.over, {})) {
    const std::size_t place = state->place();
    link.channels.back()->move_to(place);
    std::swap(link.channels[place], link.channels.back());
    link.channels.pop_back();
    state->free();
  }
}

void notify_channels(Link& link, std::size_t first) {
  // An observer may let channels go, accept new ones or end the session.
  Channels ready;
  if (!link.to_do.waiting.empty() && !link.output_blocked()) {
    std::erase_if(link.to_do.waiting, [&ready](const std::shared_ptr<Channel::State>& state) {
      if (!state->waits_no_more()) return false;
      ready.push_back(state);
      return true;
    });
  }
  for (auto& state : std::exchange(link.to_do.changed, {})) {
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

Channels cut_off(Link& link) {
  for (const auto& state : link.channels) state->cut_off();
  for (auto* request : link.held) request->forget();
  link.to_do = {};
  link.session = nullptr;
  return std::exchange(link.channels, {});
}

void tell_gone(const Channels& channels) {
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
