#include "ssh/incoming.hpp"

#include <utility>

#include "ssh/errors.hpp"

namespace holdfast::ssh {
namespace {

/// On top of the owner's connections and as many that wait for the relay's CLOSE.
constexpr std::size_t spare_channels = 64;

std::string channel_type(int type) {
  switch (type) {
    case SSH_CHANNEL_SESSION:
      return "session";
    case SSH_CHANNEL_DIRECT_TCPIP:
      return "direct-tcpip";
    case SSH_CHANNEL_X11:
      return "x11";
    case SSH_CHANNEL_AUTH_AGENT:
      return "auth-agent@openssh.com";
    default:
      return "unknown to libssh";
  }
}

Incoming::Refused refuse(const MessageHandle& message, std::string unwanted) {
  ssh_message_reply_default(message.get());
  return {std::move(unwanted)};
}

}  // namespace

std::optional<Incoming::Asked> Incoming::next(ssh_session session, bool running) {
  MessageHandle message{ssh_message_get(session)};
  looked_at_packet_ = link_->packets.in_packets;
  if (message) return take(std::move(message), running);
  empty_at_packet_ = looked_at_packet_;
  return std::nullopt;
}

Incoming::Asked Incoming::take(MessageHandle message, bool running) {
  if (ssh_message_type(message.get()) != SSH_REQUEST_CHANNEL_OPEN) return refuse(message, "");
  if (ssh_message_subtype(message.get()) != SSH_CHANNEL_FORWARDED_TCPIP) {
    return refuse(message, "a channel of type " + channel_type(ssh_message_subtype(message.get())));
  }
  const std::string address = ssh_message_channel_request_open_destination(message.get());
  const int port = ssh_message_channel_request_open_destination_port(message.get());
  const auto forward = global_.find(address, static_cast<std::uint16_t>(port));
  if (!forward && global_.is_cancelling(static_cast<std::uint16_t>(port))) return refuse(message, "");
  if (!forward) return refuse(message, "a connection to " + sanitize(address) + " port " + std::to_string(port));
  if (!running) return refuse(message, "");
  // The owner keeps to max_connections, and tells. This is for a relay that never answers a CLOSE.
  if (link_->channels.size() + link_->held.size() >= std::size_t{2} * spec_.max_connections + spare_channels) {
    return refuse(message, "more channels than it closes");
  }
  return hand_over(*forward, std::move(message));
}

OpenRequest Incoming::hand_over(std::size_t forward, MessageHandle message) {
  ++visitors_;
  auto originator = sanitize(ssh_message_channel_request_open_originator(message.get()));
  const auto port = static_cast<std::uint16_t>(ssh_message_channel_request_open_originator_port(message.get()));
  return {forward, std::move(originator), port, std::make_unique<OpenRequest::State>(link_, std::move(message))};
}

}  // namespace holdfast::ssh
