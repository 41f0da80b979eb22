#include "doctor/segment.hpp"

#include <algorithm>
#include <cstddef>

namespace holdfast::doctor {
namespace {

namespace ip = boost::asio::ip;
using Bytes = std::span<const std::uint8_t>;

constexpr std::uint8_t tcp = 6;
constexpr std::size_t smallest_tcp = 20;

template <typename Address>
ip::address address_at(Bytes packet, std::size_t at) {
  typename Address::bytes_type bytes{};
  std::copy_n(packet.begin() + static_cast<std::ptrdiff_t>(at), bytes.size(), bytes.begin());
  return Address{bytes};
}

}  // namespace

std::optional<Segment> parse_segment(Bytes packet) {
  Segment segment;
  std::size_t head = 40;
  if (packet.empty()) return std::nullopt;
  if (packet[0] >> 4U == 4) {
    head = std::size_t{packet[0] & 0x0fU} * 4;
    const bool first_part = packet.size() >= 20 && ((packet[6] & 0x1fU) == 0 && packet[7] == 0);
    if (head < 20 || !first_part || packet[9] != tcp) return std::nullopt;
    segment.ttl = packet[8];
    segment.from = address_at<ip::address_v4>(packet, 12);
    segment.to = address_at<ip::address_v4>(packet, 16);
  } else if (packet[0] >> 4U == 6) {
    if (packet.size() < head || packet[6] != tcp) return std::nullopt;
    segment.ttl = packet[7];
    segment.from = address_at<ip::address_v6>(packet, 8);
    segment.to = address_at<ip::address_v6>(packet, 24);
  } else {
    return std::nullopt;
  }
  if (packet.size() < head + smallest_tcp) return std::nullopt;
  const Bytes rest = packet.subspan(head);
  segment.from_port = static_cast<std::uint16_t>(rest[0] * 256U + rest[1]);
  segment.to_port = static_cast<std::uint16_t>(rest[2] * 256U + rest[3]);
  segment.syn = (rest[13] & 0x02U) != 0;
  segment.rst = (rest[13] & 0x04U) != 0;
  segment.ack = (rest[13] & 0x10U) != 0;
  return segment;
}

}  // namespace holdfast::doctor
