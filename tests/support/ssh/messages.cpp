#include "support/ssh/messages.hpp"

namespace holdfast::test {
namespace say {

std::string disconnect(std::string_view description, std::uint32_t reason) {
  return Writer(msg::disconnect).uint32(reason).string(description).string("").bytes();
}

std::string ignore(std::string_view data) {
  return Writer(msg::ignore).string(data).bytes();
}

std::string debug(std::string_view message) {
  return Writer(msg::debug).boolean(false).string(message).string("").bytes();
}

std::string service_accept(std::string_view service) {
  return Writer(msg::service_accept).string(service).bytes();
}

std::string userauth_failure(std::string_view methods, bool partial_success) {
  return Writer(msg::userauth_failure).string(methods).boolean(partial_success).bytes();
}

std::string userauth_success() {
  return Writer(msg::userauth_success).bytes();
}

std::string global_request(std::string_view name, bool want_reply, std::string_view specific) {
  return Writer(msg::global_request).string(name).boolean(want_reply).raw(specific).bytes();
}

std::string request_success(std::string_view specific) {
  return Writer(msg::request_success).raw(specific).bytes();
}

std::string request_success(std::uint32_t port) {
  return Writer(msg::request_success).uint32(port).bytes();
}

std::string request_failure() {
  return Writer(msg::request_failure).bytes();
}

std::string channel_open(std::string_view type, std::uint32_t sender, std::string_view specific, Room room) {
  return Writer(msg::channel_open)
      .string(type)
      .uint32(sender)
      .uint32(room.window)
      .uint32(room.packet)
      .raw(specific)
      .bytes();
}

std::string forwarded_tcpip(std::uint32_t sender, std::string_view address, std::uint32_t port, Room room) {
  const std::string specific = Writer().string(address).uint32(port).string("192.0.2.1").uint32(50000).bytes();
  return channel_open("forwarded-tcpip", sender, specific, room);
}

std::string channel_open_confirmation(std::uint32_t recipient, std::uint32_t sender, Room room) {
  return Writer(msg::channel_open_confirmation)
      .uint32(recipient)
      .uint32(sender)
      .uint32(room.window)
      .uint32(room.packet)
      .bytes();
}

std::string channel_open_failure(std::uint32_t recipient, std::uint32_t reason, std::string_view description) {
  return Writer(msg::channel_open_failure).uint32(recipient).uint32(reason).string(description).string("").bytes();
}

std::string channel_window_adjust(std::uint32_t recipient, std::uint32_t more) {
  return Writer(msg::channel_window_adjust).uint32(recipient).uint32(more).bytes();
}

std::string channel_data(std::uint32_t recipient, std::string_view data) {
  return Writer(msg::channel_data).uint32(recipient).string(data).bytes();
}

std::string channel_extended_data(std::uint32_t recipient, std::uint32_t type, std::string_view data) {
  return Writer(msg::channel_extended_data).uint32(recipient).uint32(type).string(data).bytes();
}

std::string channel_eof(std::uint32_t recipient) {
  return Writer(msg::channel_eof).uint32(recipient).bytes();
}

std::string channel_close(std::uint32_t recipient) {
  return Writer(msg::channel_close).uint32(recipient).bytes();
}

std::string channel_request(std::uint32_t recipient, std::string_view name, bool want_reply,
                            std::string_view specific) {
  return Writer(msg::channel_request).uint32(recipient).string(name).boolean(want_reply).raw(specific).bytes();
}

std::string channel_success(std::uint32_t recipient) {
  return Writer(msg::channel_success).uint32(recipient).bytes();
}

std::string channel_failure(std::uint32_t recipient) {
  return Writer(msg::channel_failure).uint32(recipient).bytes();
}

}  // namespace say

Which of_type(std::uint8_t type) {
  return [type](const Packet& packet) { return packet.type() == type; };
}

Which opening(std::string_view channel_type) {
  return [type = std::string(channel_type)](const Packet& packet) {
    return packet.type() == msg::channel_open && packet.body().string() == type;
  };
}

Which global_request(std::string_view name) {
  return [wanted = std::string(name)](const Packet& packet) {
    return packet.type() == msg::global_request && packet.body().string() == wanted;
  };
}

Which channel_request(std::string_view name) {
  return [wanted = std::string(name)](const Packet& packet) {
    if (packet.type() != msg::channel_request) return false;
    Reader body = packet.body();
    body.uint32();
    return body.string() == wanted;
  };
}

bool is_login(const Packet& packet) {
  if (packet.type() != msg::userauth_request) return false;
  Reader body = packet.body();
  body.string();  // user
  body.string();  // service
  return body.string() == "publickey" && body.boolean();
}

std::uint32_t sender_of(const Packet& channel_open) {
  Reader body = channel_open.body();
  body.string();
  return body.uint32();
}

std::uint32_t recipient_of(const Packet& on_channel) {
  return on_channel.body().uint32();
}

}  // namespace holdfast::test
