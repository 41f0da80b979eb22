#pragma once

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace holdfast::test {

/// One message of NETLINK_ROUTE, put together byte by byte as the kernel does (rtnetlink(7)).
class Message {
 public:
  template <typename Header>
  Message(std::uint16_t type, const Header& header, std::uint16_t flags = 0) {
    nlmsghdr start{};
    start.nlmsg_type = type;
    start.nlmsg_flags = flags;
    append(&start, sizeof start);
    append(&header, sizeof header);
  }

  Message& with(std::uint16_t type, const void* data, std::size_t size) {
    const rtattr attribute{static_cast<std::uint16_t>(sizeof(rtattr) + size), type};
    append(&attribute, sizeof attribute);
    append(data, size);
    return *this;
  }
  Message& with(std::uint16_t type, std::uint32_t value) { return with(type, &value, sizeof value); }
  Message& with_name(const std::string& name) { return with(IFLA_IFNAME, name.c_str(), name.size() + 1); }
  /// An address as text.
  Message& with_address(std::uint16_t type, const std::string& text) {
    std::array<unsigned char, 16> bytes{};
    const bool v6 = text.find(':') != std::string::npos;
    ::inet_pton(v6 ? AF_INET6 : AF_INET, text.c_str(), bytes.data());
    return with(type, bytes.data(), v6 ? 16 : 4);
  }
  /// What it says is its length, whatever it has; as in a message that was cut.
  Message& cut_to(std::size_t size) {
    bytes_.resize((size + 3) / 4);
    set_length(size);
    return *this;
  }

  operator const nlmsghdr&() const { return *reinterpret_cast<const nlmsghdr*>(bytes_.data()); }
  std::size_t size() const { return static_cast<const nlmsghdr&>(*this).nlmsg_len; }
  unsigned char* data() { return reinterpret_cast<unsigned char*>(bytes_.data()); }

 private:
  void append(const void* data, std::size_t size) {
    const std::size_t start = bytes_.size() * 4;
    bytes_.resize(bytes_.size() + (size + 3) / 4);
    std::memcpy(reinterpret_cast<unsigned char*>(bytes_.data()) + start, data, size);
    set_length(start + size);
  }
  void set_length(std::size_t size) {
    const auto length = static_cast<std::uint32_t>(size);
    std::memcpy(bytes_.data(), &length, sizeof length);
  }

  std::vector<std::uint32_t> bytes_;  ///< words, for the alignment
};

inline constexpr unsigned running = IFF_UP | IFF_RUNNING;

inline Message link(int index, const std::string& name, unsigned flags, std::uint16_t type = RTM_NEWLINK,
                    unsigned char family = AF_UNSPEC) {
  ifinfomsg header{};
  header.ifi_family = family;
  header.ifi_index = index;
  header.ifi_flags = flags;
  Message message(type, header);
  message.with_name(name);
  return message;
}

struct AddressOptions {
  std::uint32_t flags = 0;
  std::uint32_t lifetime = 3600;
  unsigned char scope = RT_SCOPE_UNIVERSE;
};

inline Message address(unsigned index, const std::string& text, std::uint16_t type = RTM_NEWADDR,
                       const AddressOptions& options = {}) {
  const bool v6 = text.find(':') != std::string::npos;
  ifaddrmsg header{};
  header.ifa_family = v6 ? AF_INET6 : AF_INET;
  header.ifa_prefixlen = v6 ? 64 : 24;
  header.ifa_index = index;
  header.ifa_scope = options.scope;
  header.ifa_flags = static_cast<unsigned char>(options.flags);
  Message message(type, header);
  message.with_address(IFA_ADDRESS, text);
  if (!v6) message.with_address(IFA_LOCAL, text);
  message.with(IFA_FLAGS, options.flags);
  const ifa_cacheinfo lifetimes{options.lifetime, options.lifetime, 0, 0};
  message.with(IFA_CACHEINFO, &lifetimes, sizeof lifetimes);
  return message;
}

struct RouteOptions {
  std::uint32_t metric = 0;
  std::uint16_t message_flags = 0;
  unsigned flags = 0;
  unsigned char prefix = 0;
  std::uint32_t table = RT_TABLE_MAIN;
};

/// A default route unless a prefix says otherwise.
inline Message route(unsigned index, const std::string& gateway, std::uint16_t type = RTM_NEWROUTE,
                     const RouteOptions& options = {}) {
  rtmsg header{};
  header.rtm_family = gateway.find(':') != std::string::npos ? AF_INET6 : AF_INET;
  header.rtm_dst_len = options.prefix;
  header.rtm_table = static_cast<unsigned char>(options.table);
  header.rtm_type = RTN_UNICAST;
  header.rtm_flags = options.flags;
  Message message(type, header, options.message_flags);
  message.with(RTA_TABLE, options.table);
  if (options.metric != 0) message.with(RTA_PRIORITY, options.metric);
  if (!gateway.empty()) message.with_address(RTA_GATEWAY, gateway);
  message.with(RTA_OIF, index);
  return message;
}

}  // namespace holdfast::test
