#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"

namespace holdfast::net {

struct ConnectOptions {
  std::string bind_address;    ///< literal; empty: the kernel's choice
  std::string bind_interface;  ///< SO_BINDTODEVICE; empty: any
  bool tcp_keep_alive = true;
  Duration user_timeout{};  ///< TCP_USER_TIMEOUT; zero: the kernel's default
  /// The silence after which TCP sends a keepalive; it is repeated after each quarter of that until it is acknowledged.
  /// Zero: the kernel's defaults. How many may be lost is the business of user_timeout, which the kernel then counts
  /// instead of them (tcp_keepalive_timer in net/ipv4/tcp_timer.c).
  Duration keepalive_after{};
  /// TCP_CONGESTION; empty: the kernel's default, and so if the kernel does not grant it: congestion_control() tells.
  std::string congestion_control{};
  /// TCP_MAXSEG, for both ways: what is sent, and what the relay is told to send at most; none: the kernel's choice.
  std::optional<std::uint32_t> max_segment{};
  int leave_descriptors = 0;  ///< fails with EMFILE instead of taking one of the last so many
  /// The first so many endpoints race; each of the others has to wait until nobody is under way, or for 2 s.
  std::size_t racing = std::numeric_limits<std::size_t>::max();
};

/// What a tunnel's sessions are connected with. `max_segment`: what its relay's are limited to, in bytes.
ConnectOptions options_of(const TunnelSpec& spec, std::optional<std::uint32_t> max_segment);

/// Opens the socket and sets every option that must stand before the handshake. Why it can't.
std::optional<Failure> prepare(boost::asio::ip::tcp::socket& socket, const boost::asio::ip::tcp::endpoint& endpoint,
                               const ConnectOptions& options);

/// What the kernel's error says of an attempt to connect.
Cause cause_of(const boost::system::error_code& error);

/// The algorithm that the socket has: "cubic". Empty if it can't be told.
std::string congestion_control(boost::asio::ip::tcp::socket& socket);

/// "192.0.2.7:22", "[2001:db8::1]:22"
std::string to_string(const boost::asio::ip::tcp::endpoint& endpoint);

}  // namespace holdfast::net
