#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "support/ssh/wire.hpp"

namespace holdfast::test {

/// Payloads of the usual messages, with any numbers in them.
namespace say {

/// What the receiver may send before it gets more, and in one packet at most.
struct Room {
  std::uint32_t window = 2 * 1024 * 1024;
  std::uint32_t packet = 32 * 1024;
};

std::string disconnect(std::string_view description, std::uint32_t reason = 11);
std::string ignore(std::string_view data);
std::string debug(std::string_view message);
std::string service_accept(std::string_view service);
std::string userauth_failure(std::string_view methods = "publickey", bool partial_success = false);
std::string userauth_success();
std::string global_request(std::string_view name, bool want_reply, std::string_view specific = "");
std::string request_success(std::string_view specific = "");
std::string request_success(std::uint32_t port);  ///< to a tcpip-forward of port 0
std::string request_failure();
std::string channel_open(std::string_view type, std::uint32_t sender, std::string_view specific = "", Room room = {});
/// A visitor for the listener on `address` and `port`.
std::string forwarded_tcpip(std::uint32_t sender, std::string_view address, std::uint32_t port, Room room = {});
std::string channel_open_confirmation(std::uint32_t recipient, std::uint32_t sender, Room room = {});
std::string channel_open_failure(std::uint32_t recipient, std::uint32_t reason, std::string_view description = "");
std::string channel_window_adjust(std::uint32_t recipient, std::uint32_t more);
std::string channel_data(std::uint32_t recipient, std::string_view data);
std::string channel_extended_data(std::uint32_t recipient, std::uint32_t type, std::string_view data);
std::string channel_eof(std::uint32_t recipient);
std::string channel_close(std::uint32_t recipient);
std::string channel_request(std::uint32_t recipient, std::string_view name, bool want_reply,
                            std::string_view specific = "");
std::string channel_success(std::uint32_t recipient);
std::string channel_failure(std::uint32_t recipient);

}  // namespace say

/// Which packet a script waits for.
using Which = std::function<bool(const Packet&)>;

Which of_type(std::uint8_t type);
Which opening(std::string_view channel_type);          ///< "session", "direct-tcpip"
Which global_request(std::string_view name);           ///< "tcpip-forward", "keepalive@openssh.com"
Which channel_request(std::string_view name);          ///< "exec"
bool is_login(const Packet& packet);                   ///< publickey, with a signature
std::uint32_t sender_of(const Packet& channel_open);   ///< the number that the client gives its channel
std::uint32_t recipient_of(const Packet& on_channel);  ///< our number of the channel that it is about

}  // namespace holdfast::test
