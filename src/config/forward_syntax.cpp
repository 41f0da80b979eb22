#include "config/forward_syntax.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <vector>

#include "config/wording.hpp"

namespace holdfast::config {
namespace {

template <class T>
using Result = tl::expected<T, std::string>;
using Fields = std::vector<std::string>;

tl::unexpected<std::string> error(std::string message) {
  return tl::unexpected(std::move(message));
}

bool is_path(const std::string& field) {
  return field.starts_with('/');
}

/// Splits at colons, but not inside brackets, which it takes off; a path goes on to the end.
Result<Fields> split(std::string_view text) {
  Fields fields;
  while (true) {
    if (text.starts_with('/')) {
      fields.emplace_back(text);
      return fields;
    }
    const bool bracketed = text.starts_with('[');
    const std::size_t end = text.find(bracketed ? ']' : ':');
    if (bracketed && end == std::string_view::npos) return error("']' is missing");
    if (bracketed && end == 1) return error("the brackets are empty");
    fields.emplace_back(bracketed ? text.substr(1, end - 1) : text.substr(0, end));
    if (end == std::string_view::npos) return fields;
    text.remove_prefix(bracketed ? end + 1 : end);
    if (text.empty()) return fields;
    if (text.front() != ':') return error("expected ':' after ']'");
    text.remove_prefix(1);
  }
}

Result<std::uint16_t> port(const std::string& text, int lowest) {
  std::uint16_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, failed] = std::from_chars(text.data(), end, number);
  if (failed != std::errc{} || rest != end || number < lowest)
    return error(quote(text) + " is not a port from " + std::to_string(lowest) + " to 65535");
  return number;
}

/// Letters, digits, '.', '-' and '_', and all that is not ASCII: more than the names of DNS, and nothing else is one.
bool is_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return c >= 0x80 || std::isalnum(c) != 0 || c == '.' || c == '-' || c == '_';
  });
}

/// With or without a zone: "fe80::1%eth0" (RFC 4007, 11).
bool is_v6(const std::string& text) {
  const std::size_t percent = text.find('%');
  in6_addr ignored{};
  if (inet_pton(AF_INET6, text.substr(0, percent).c_str(), &ignored) != 1) return false;
  return percent == std::string::npos || (percent + 1 < text.size() && is_name(text.substr(percent + 1)));
}

Result<std::string> host(const std::string& text, const char* what) {
  static constexpr std::size_t longest_name = 253;  // RFC 1035, without the final dot
  if (text.empty()) return error(std::string("the ") + what + " is empty");
  if (has_space_or_control(text) || text.size() > longest_name || (!is_name(text) && !is_v6(text)))
    return error(is_not(text, std::string("a ") + what));
  return text;
}

Result<RemoteForward> listener_from(const Fields& fields) {
  if (fields.empty() || fields.size() > 2)
    return error("the relay's side is [bind_address:]port, with IPv6 in brackets");
  if (std::any_of(fields.begin(), fields.end(), is_path)) return error("the relay's side can't be a socket path");
  RemoteForward forward;
  const auto bound_port = port(fields.back(), 0);
  if (!bound_port) return error(bound_port.error());
  forward.port = *bound_port;
  if (fields.size() == 1) return forward;
  const std::string& address = fields.front();
  if (address.empty() || address == "*") {
    forward.bind_address.clear();
    return forward;
  }
  auto named = host(address, "bind address");
  if (!named) return error(named.error());
  forward.bind_address = *std::move(named);
  return forward;
}

Result<Target> target_from(const Fields& fields) {
  static constexpr std::size_t longest_socket_path = 107;  // sun_path, with its final zero
  if (fields.size() == 1 && is_path(fields[0])) {
    if (has_space_or_control(fields[0])) return error("the socket's path contains a blank");
    if (fields[0].size() > longest_socket_path) return error("the socket's path is longer than 107 bytes");
    if (fields[0].find("${") != std::string::npos) return error("variables are not expanded; write the path out");
    return UnixTarget{fields[0]};
  }
  if (fields.size() != 2) return error("the target is host:port or /socket, with IPv6 in brackets");
  auto name = host(fields[0], "target host");
  if (!name) return error(name.error());
  const auto number = port(fields[1], 1);
  if (!number) return error(number.error());
  return TcpTarget{*std::move(name), *number};
}

/// `ssh -R 4649` asks for a SOCKS proxy, which libssh can't serve: hardly anybody who leaves the target out means that.
std::string missing_target(const Fields& fields) {
  const bool ports = fields.size() == 2 && port(fields[0], 0) && port(fields[1], 1);
  if (ports) return "the target's host is missing, as in " + fields[0] + ":localhost:" + fields[1];
  return "a target is missing, as in 4649:localhost:22";
}

Result<RemoteForward> join_sides(Result<RemoteForward> listener, Result<Target> target) {
  if (!listener) return listener;
  if (!target) return error(target.error());
  listener->target = *std::move(target);
  return listener;
}

}  // namespace

Result<RemoteForward> parse_listener(std::string_view text) {
  const auto fields = split(text);
  return fields ? listener_from(*fields) : error(fields.error());
}

Result<Target> parse_target(std::string_view text) {
  const auto fields = split(text);
  return fields ? target_from(*fields) : error(fields.error());
}

Result<RemoteForward> parse_forward(std::string_view text) {
  static constexpr std::string_view blanks = " \t";
  if (const std::size_t blank = text.find_first_of(blanks); blank != std::string_view::npos) {
    const std::size_t target = text.find_first_not_of(blanks, blank);
    return join_sides(parse_listener(text.substr(0, blank)),
                      parse_target(target == std::string_view::npos ? std::string_view{} : text.substr(target)));
  }
  const auto fields = split(text);
  if (!fields) return error(fields.error());
  const std::size_t target_size = is_path(fields->back()) ? 1 : 2;
  if (fields->size() <= target_size) return error(missing_target(*fields));
  const auto middle = fields->end() - static_cast<std::ptrdiff_t>(target_size);
  return join_sides(listener_from(Fields(fields->begin(), middle)), target_from(Fields(middle, fields->end())));
}

Result<TcpTarget> parse_relay(std::string_view text) {
  const bool bare_v6 = !text.starts_with('[') && std::count(text.begin(), text.end(), ':') > 1;
  const auto fields = bare_v6 ? Result<Fields>{Fields{std::string(text)}} : split(text);
  if (!fields) return error(fields.error());
  if (text.find('@') != std::string_view::npos) return error("the account belongs into 'user'");
  if (fields->size() > 2) return error("a relay is host, host:port or [v6]:port");
  auto name = host(fields->front(), "host's name or address");
  if (!name) return error(name.error());
  if (text.starts_with('[') && !is_v6(*name)) return error(quote(*name) + " is not an IPv6 address");
  if (fields->size() == 1) return TcpTarget{*std::move(name), 0};
  const auto number = port(fields->back(), 1);
  if (!number) return error(number.error());
  return TcpTarget{*std::move(name), *number};
}

std::string format_forward(const RemoteForward& forward) {
  return listener_name(forward) + ":" + target_name(forward.target);
}

bool listeners_collide(const RemoteForward& one, const RemoteForward& other) {
  if (one.port != other.port || one.port == 0) return false;
  const auto covers = [](const std::string& wide, const std::string& narrow) {
    const bool narrow_is_v6 = narrow.find(':') != std::string::npos;
    if (wide == narrow || wide.empty()) return true;
    if (wide == "localhost") return narrow == "127.0.0.1" || narrow == "::1";
    if (wide == "0.0.0.0") return !narrow_is_v6;
    if (wide == "::") return narrow_is_v6 || narrow == "localhost";
    return false;
  };
  return covers(one.bind_address, other.bind_address) || covers(other.bind_address, one.bind_address);
}

}  // namespace holdfast::config
