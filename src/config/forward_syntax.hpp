#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "holdfast/config.hpp"

/// ssh(1), -R, and the relay itself. The errors say what is wrong with the text, without repeating it.
namespace holdfast::config {

/// "[bind_address:]port:host:hostport" or "[bind_address:]port:/socket" as after `ssh -R`, or the same with a space
/// between the relay's side and ours, as RemoteForward in ssh_config(5).
tl::expected<RemoteForward, std::string> parse_forward(std::string_view text);

/// "[bind_address:]port", the relay's side. No bind address means localhost, `*` and an empty one mean any.
tl::expected<RemoteForward, std::string> parse_listener(std::string_view text);

/// "host:port" or "/socket", our side.
tl::expected<Target, std::string> parse_target(std::string_view text);

/// "host", "host:port", "[v6]:port", or an IPv6 address without a port, in brackets or not; port 0: not given.
tl::expected<TcpTarget, std::string> parse_relay(std::string_view text);

std::string format_forward(const RemoteForward& forward);

/// Whether the relay can't have both: the same port, and addresses of which one covers the other.
bool listeners_collide(const RemoteForward& one, const RemoteForward& other);

}  // namespace holdfast::config
