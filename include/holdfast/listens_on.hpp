#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Where a granted listener really listens. sshd grants a forward for any address, and listens where GatewayPorts lets
/// it, without a word; of an address's two families it is content with one. No I/O.
namespace holdfast {

enum class ListensOn {
  unknown,        ///< nobody could look
  as_asked,       ///< where it was asked to, or anywhere that can't be compared: a name, an address of its own
  loopback_only,  ///< GatewayPorts no, and more was asked for
  ipv6_only,      ///< both families were asked for: something else has the port for IPv4
  ipv4_only,      ///< both families were asked for: the relay has no IPv6, most likely
  everywhere,     ///< GatewayPorts yes, and only the loopback was asked for
};
/// "as_asked", "loopback_only", ...
std::string_view to_string(ListensOn where);
/// For people: "listens on loopback only (GatewayPorts)"; empty for unknown and as_asked.
std::string_view in_words(ListensOn where);
/// What to do about it, a sentence; empty where nothing has to be done.
std::string_view remedy(ListensOn where);
/// Less than what was asked for.
bool is_narrower(ListensOn where);

/// Does this bind_address ask for more than the loopback? A proof that connects to "" or "0.0.0.0" shows no more than
/// that.
bool asks_beyond_loopback(std::string_view bind_address);

/// `sockets`: where the relay's account listens at the port, as /proc/net/tcp and tcp6 spell it ("0100007F:1229"), five
/// at most: with five there may be more.
ListensOn listens_on(std::string_view bind_address, const std::vector<std::string>& sockets);

}  // namespace holdfast
