#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstdint>
#include <optional>
#include <span>

namespace holdfast::doctor {

/// The head of a TCP segment, of IPv4 or IPv6.
struct Segment {
  boost::asio::ip::address from;
  boost::asio::ip::address to;
  std::uint16_t from_port = 0;
  std::uint16_t to_port = 0;
  unsigned ttl = 0;
  bool syn = false;
  bool ack = false;
  bool rst = false;
};
/// Parses a packet from its IP header on; it may be cut short behind the TCP header. None if it is something else.
std::optional<Segment> parse_segment(std::span<const std::uint8_t> packet);

}  // namespace holdfast::doctor
