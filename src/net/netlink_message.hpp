#pragma once

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <cctype>
#include <cstddef>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

/// The parts of a message of NETLINK_ROUTE, read without going beyond its end.
namespace holdfast::net::netlink {

using Bytes = std::span<const std::byte>;
using Attributes = std::map<unsigned, Bytes>;

inline Bytes bytes_of(const void* data, std::size_t size) {
  return {static_cast<const std::byte*>(data), size};
}

template <typename Value>
std::optional<Value> read(Bytes bytes) {
  if (bytes.size() < sizeof(Value)) return std::nullopt;
  Value value{};
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

template <typename Value>
std::optional<Value> read(const Attributes& attributes, unsigned type) {
  const auto found = attributes.find(type);
  return found == attributes.end() ? std::nullopt : read<Value>(found->second);
}

/// Behind `size` bytes of an item, and what fills it up to the next one.
inline Bytes behind(Bytes bytes, std::size_t size) {
  return bytes.subspan(std::min<std::size_t>(NLMSG_ALIGN(size), bytes.size()));
}

/// libmnl's own walk reads up to three bytes behind a message whose length is no multiple of four.
inline Attributes attributes_of(Bytes bytes) {
  Attributes attributes;
  while (const auto header = read<nlattr>(bytes)) {
    if (header->nla_len < sizeof *header || header->nla_len > bytes.size()) break;
    attributes[header->nla_type & NLA_TYPE_MASK] = bytes.first(header->nla_len).subspan(sizeof *header);
    bytes = behind(bytes, header->nla_len);
  }
  return attributes;
}

/// A message's own header and the attributes behind it; none if it is too short for them.
template <typename Header>
std::optional<std::pair<Header, Attributes>> parse(const nlmsghdr& message) {
  const Bytes payload = behind(bytes_of(&message, message.nlmsg_len), sizeof message);
  const auto header = read<Header>(payload);
  if (!header) return std::nullopt;
  return std::pair{*header, attributes_of(behind(payload, sizeof(Header)))};
}

inline std::optional<boost::asio::ip::address> to_address(int family, Bytes bytes) {
  if (family == AF_INET) {
    if (const auto v4 = read<boost::asio::ip::address_v4::bytes_type>(bytes)) return boost::asio::ip::address_v4(*v4);
  } else if (family == AF_INET6) {
    if (const auto v6 = read<boost::asio::ip::address_v6::bytes_type>(bytes)) return boost::asio::ip::address_v6(*v6);
  }
  return std::nullopt;
}

inline std::optional<boost::asio::ip::address> to_address(int family, const Attributes& attributes, unsigned type) {
  const auto found = attributes.find(type);
  return found == attributes.end() ? std::nullopt : to_address(family, found->second);
}

/// Any bytes but a slash and a blank may stand in a link's name, and it goes to the log.
inline std::string printable(Bytes bytes) {
  std::string text;
  for (const std::byte byte : bytes) {
    const auto letter = static_cast<unsigned char>(byte);
    if (letter == 0 || text.size() == IFNAMSIZ) break;
    text += std::isgraph(letter) != 0 ? static_cast<char>(letter) : '?';
  }
  return text;
}

inline std::string gateway_of(int family, const Attributes& attributes) {
  if (const auto gateway = to_address(family, attributes, RTA_GATEWAY)) return gateway->to_string();
  if (const auto found = attributes.find(RTA_VIA); found != attributes.end()) {
    const auto via_family = read<__kernel_sa_family_t>(found->second);
    if (!via_family) return "";
    const auto gateway = to_address(*via_family, found->second.subspan(sizeof *via_family));
    return gateway ? gateway->to_string() : "";
  }
  return "";
}

}  // namespace holdfast::net::netlink
