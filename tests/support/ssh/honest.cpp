#include "support/ssh/honest.hpp"

#include <algorithm>
#include <utility>

namespace holdfast::test {
namespace {

constexpr std::uint32_t connect_failed = 2;
constexpr std::uint32_t unknown_channel_type = 3;

}  // namespace

void HonestRelay::handle(const Packet& packet) {
  switch (packet.type()) {
    case msg::service_request:
      return send_(say::service_accept(packet.body().string()));
    case msg::userauth_request:
      return on_userauth(packet.body());
    case msg::global_request:
      return on_global_request(packet.body());
    case msg::channel_open:
      return on_channel_open(packet.body());
    case msg::channel_open_confirmation:
      return on_confirmation(packet.body());
    case msg::channel_open_failure:
      return on_open_failure(packet.body());
    case msg::channel_request:
      return on_channel_request(packet.body());
    case msg::channel_data:
      return on_data(packet.body());
    case msg::channel_window_adjust:
      if (Channel* channel = find(recipient_of(packet))) {
        Reader body = packet.body();
        body.uint32();
        channel->window += body.uint32();
        flush(recipient_of(packet));
      }
      return;
    case msg::channel_eof:
      if (const Channel* channel = find(recipient_of(packet)); channel != nullptr && channel->other_end) {
        if (Channel* other = find(*channel->other_end)) other->eof_wanted = true;
        flush(*channel->other_end);
      }
      return;
    case msg::channel_close:
      return on_close(recipient_of(packet));
    default:
      return;
  }
}

// ---- the login ---------------------------------------------------------------------------------------------------

void HonestRelay::on_userauth(Reader body) {
  body.string();  // user
  body.string();  // service
  if (body.string() != "publickey") return send_(say::userauth_failure());
  if (body.boolean()) return send_(say::userauth_success());
  const std::string_view algorithm = body.string();
  send_(Writer(msg::userauth_pk_ok).string(algorithm).string(body.string()).bytes());
}

// ---- listeners ---------------------------------------------------------------------------------------------------

void HonestRelay::on_global_request(Reader body) {
  const std::string name(body.string());
  const bool want_reply = body.boolean();
  if (name == "tcpip-forward") {
    Listener listener{std::string(body.string()), body.uint32()};
    const bool any_port = listener.port == 0;
    if (any_port) listener.port = next_port_++;
    listeners_.push_back(listener);
    if (want_reply) send_(any_port ? say::request_success(listener.port) : say::request_success());
    return;
  }
  if (name == "cancel-tcpip-forward") {
    const std::string address(body.string());
    const std::uint32_t port = body.uint32();
    const auto gone = std::erase_if(
        listeners_, [&](const Listener& listener) { return listener.address == address && listener.port == port; });
    if (want_reply) send_(gone > 0 ? say::request_success() : say::request_failure());
    return;
  }
  if (want_reply) send_(say::request_failure());
}

// ---- channels ----------------------------------------------------------------------------------------------------

void HonestRelay::on_channel_open(Reader body) {
  const std::string type(body.string());
  Channel channel;
  channel.type = type;
  channel.theirs = body.uint32();
  channel.window = body.uint32();
  channel.packet = body.uint32();
  channel.open = true;
  auto listener = listeners_.end();
  if (type == "direct-tcpip") {
    body.string();  // the host, which is us
    const std::uint32_t port = body.uint32();
    listener =
        std::find_if(listeners_.begin(), listeners_.end(), [&](const Listener& ours) { return ours.port == port; });
    if (listener == listeners_.end()) {
      return send_(say::channel_open_failure(channel.theirs, connect_failed, "Connection refused"));
    }
  } else if (type != "session") {
    return send_(say::channel_open_failure(channel.theirs, unknown_channel_type));
  }
  const std::uint32_t number = new_number();
  send_(say::channel_open_confirmation(channel.theirs, number, rooms_[type]));
  channels_[number] = std::move(channel);
  if (listener != listeners_.end()) connect(number, *listener);
}

void HonestRelay::connect(std::uint32_t direct, const Listener& listener) {
  const std::uint32_t number = new_number();
  channels_[number].type = "forwarded-tcpip";
  channels_[number].other_end = direct;
  channels_[direct].other_end = number;
  send_(say::forwarded_tcpip(number, listener.address, listener.port, rooms_["forwarded-tcpip"]));
}

void HonestRelay::on_confirmation(Reader body) {
  const std::uint32_t number = body.uint32();
  Channel* const channel = find(number);
  if (channel == nullptr) return;
  channel->theirs = body.uint32();
  channel->window = body.uint32();
  channel->packet = body.uint32();
  channel->open = true;
  flush(number);
}

void HonestRelay::on_open_failure(Reader body) {
  const std::uint32_t number = body.uint32();
  const Channel* const channel = find(number);
  if (channel == nullptr) return;
  const std::uint32_t other_end = channel->other_end.value_or(number);
  channels_.erase(number);
  if (Channel* other = find(other_end)) other->close_wanted = true;
  flush(other_end);
}

void HonestRelay::on_channel_request(Reader body) {
  const std::uint32_t number = body.uint32();
  const bool runs = body.string() == "exec";
  const bool want_reply = body.boolean();
  const Channel* const channel = find(number);
  if (channel == nullptr || !want_reply) return;
  send_(runs ? say::channel_success(channel->theirs) : say::channel_failure(channel->theirs));
}

void HonestRelay::on_data(Reader body) {
  const std::uint32_t number = body.uint32();
  const std::string_view data = body.string();
  Channel* const channel = find(number);
  if (channel == nullptr) return;
  send_(say::channel_window_adjust(channel->theirs, static_cast<std::uint32_t>(data.size())));
  if (!channel->other_end) {
    obey(*channel, data);
  } else if (Channel* other = find(*channel->other_end)) {
    other->unsent += data;
  }
  flush(channel->other_end.value_or(number));
}

void HonestRelay::on_close(std::uint32_t number) {
  Channel* const channel = find(number);
  if (channel == nullptr) return;
  channel->close_received = true;
  channel->close_wanted = true;
  channel->unsent.clear();
  const auto other_end = channel->other_end;
  flush(number);
  if (!other_end) return;
  if (Channel* other = find(*other_end)) other->close_wanted = true;
  flush(*other_end);
}

std::string HonestRelay::type_of(std::uint32_t number) const {
  const auto found = channels_.find(number);
  return found == channels_.end() ? "" : found->second.type;
}

HonestRelay::Channel* HonestRelay::find(std::uint32_t number) {
  const auto found = channels_.find(number);
  return found == channels_.end() ? nullptr : &found->second;
}

/// Sends what is due on it and fits.
void HonestRelay::flush(std::uint32_t number) {
  Channel* const channel = find(number);
  if (channel == nullptr || !channel->open) return;
  while (!channel->unsent.empty() && channel->window > 0 && channel->packet > 0) {
    const auto count = std::min<std::uint64_t>({channel->unsent.size(), channel->window, channel->packet});
    send_(say::channel_data(channel->theirs, std::string_view(channel->unsent).substr(0, count)));
    channel->unsent.erase(0, count);
    channel->window -= count;
  }
  if (!channel->unsent.empty()) return;
  if (channel->eof_wanted && !channel->close_sent && !std::exchange(channel->eof_sent, true)) {
    send_(say::channel_eof(channel->theirs));
  }
  if (channel->close_wanted && !std::exchange(channel->close_sent, true)) send_(say::channel_close(channel->theirs));
  if (channel->close_sent && channel->close_received) channels_.erase(number);
}

// ---- the lease ---------------------------------------------------------------------------------------------------

void HonestRelay::obey(Channel& channel, std::string_view data) {
  for (const char letter : data) {
    if (letter != '\n') {
      channel.line += letter;
    } else {
      channel.unsent += lease_answer(std::exchange(channel.line, {})) + "\n";
    }
  }
}

/// docs/relay.md has the protocol.
std::string HonestRelay::lease_answer(std::string_view line) {
  if (line.empty()) return "";
  const std::string_view word = line.substr(0, line.find(' '));
  if (word == "hello") return "holdfast 1 4711";
  if (word == "hold") return "held";
  if (word == "drop") return "dropped";
  if (word == "evict" || word == "who") return "unknown";
  return "error";
}

}  // namespace holdfast::test
