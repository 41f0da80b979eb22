#include "net/interfaces.hpp"

#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>

#include <algorithm>
#include <array>

#include "net/netlink_message.hpp"

namespace holdfast::net {
namespace {

using namespace netlink;

/// What no IP packet goes through: a CAN bus, a radio that only listens.
bool carries_ip(unsigned short type) {
  constexpr std::array others{ARPHRD_CAN, ARPHRD_IEEE802154, ARPHRD_IEEE80211, ARPHRD_IEEE80211_PRISM,
                              ARPHRD_IEEE80211_RADIOTAP};
  return std::find(others.begin(), others.end(), type) == others.end();
}

/// A link's kind ("wireguard"), which lies in IFLA_LINKINFO; empty if it has none.
std::string kind_of(const Attributes& attributes) {
  const auto info = attributes.find(IFLA_LINKINFO);
  if (info == attributes.end()) return {};
  const Attributes parts = attributes_of(info->second);
  const auto kind = parts.find(IFLA_INFO_KIND);
  return kind == parts.end() ? std::string{} : printable(kind->second);
}

/// And goes where that goes; a tunnel that is bound to a link does not.
bool stands_on_another(const std::string& kind) {
  constexpr std::array kinds{"vlan", "macvlan", "ipvlan", "macsec", "hsr", "rmnet", "dsa"};
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

constexpr const char* open_vswitch = "openvswitch";

bool is_link_local(const boost::asio::ip::address& address) {
  return address.is_v6() ? address.to_v6().is_link_local() : (address.to_v4().to_uint() & 0xffff0000U) == 0xa9fe0000U;
}

}  // namespace

void Interfaces::take(const nlmsghdr& message) {
  if (message.nlmsg_type == RTM_NEWLINK) take_link(message);
  if (message.nlmsg_type == RTM_NEWADDR) take_address(message);
}

void Interfaces::take_link(const nlmsghdr& message) {
  const auto parsed = parse<ifinfomsg>(message);
  if (!parsed || parsed->first.ifi_family != AF_UNSPEC) return;
  const auto& [header, attributes] = *parsed;
  Link link;
  if (const auto name = attributes.find(IFLA_IFNAME); name != attributes.end())
    link.found.name = printable(name->second);
  link.found.kind = kind_of(attributes);
  link.found.up = (header.ifi_flags & IFF_UP) != 0;
  link.found.carrier = link.found.up && (header.ifi_flags & IFF_RUNNING) != 0;
  link.found.loopback = (header.ifi_flags & IFF_LOOPBACK) != 0;
  link.found.losses = read<std::uint32_t>(attributes, IFLA_CARRIER_DOWN_COUNT);
  // Kernels before 5.14 do not name the device below a link, and some links have none though they lead out.
  link.found.way_out =
      !link.found.loopback && carries_ip(header.ifi_type) &&
      (attributes.contains(IFLA_PARENT_DEV_NAME) || link.found.kind.empty() || link.found.kind == "ppp");
  link.elsewhere = attributes.contains(IFLA_LINK_NETNSID);
  if (!link.elsewhere) link.below = read<std::uint32_t>(attributes, IFLA_LINK).value_or(0);
  link.master = read<std::uint32_t>(attributes, IFLA_MASTER).value_or(0);
  links_.insert_or_assign(static_cast<LinkIndex>(header.ifi_index), std::move(link));
}

void Interfaces::take_address(const nlmsghdr& message) {
  const auto parsed = parse<ifaddrmsg>(message);
  if (!parsed) return;
  const auto& [header, attributes] = *parsed;
  // IFA_ADDRESS is the other end's on a point-to-point link; IFA_LOCAL, where it stands, is ours.
  auto address = to_address(header.ifa_family, attributes, IFA_LOCAL);
  if (!address) address = to_address(header.ifa_family, attributes, IFA_ADDRESS);
  if (!address) return;
  const std::uint32_t flags = read<std::uint32_t>(attributes, IFA_FLAGS).value_or(header.ifa_flags);
  AddressFindings::Address found;
  found.address = address->to_string();
  found.link_local = is_link_local(*address);
  found.expired = (flags & IFA_F_DEPRECATED) != 0;
  found.duplicate = (flags & IFA_F_DADFAILED) != 0;
  found.tentative = (flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
  addresses_.emplace_back(header.ifa_index, std::move(found));
}

/// Those with a device below them, and what stands on them or has them as ports: a VLAN, a bridge, a bond. In a
/// container there may be none: there what leads to another namespace, or to a program, is the way out.
std::map<Interfaces::LinkIndex, bool> Interfaces::ways_out() const {
  std::map<LinkIndex, bool> ways;
  for (const auto& [index, link] : links_) ways[index] = link.found.way_out;
  const bool any = std::any_of(ways.begin(), ways.end(), [](const auto& way) { return way.second; });
  for (const auto& [index, link] : links_) {
    const std::string& kind = link.found.kind;
    if (!any && link.master == 0 && !link.found.loopback) ways[index] = link.elsewhere || kind == "tun";
  }
  bool switched = false;
  for (bool changed = true; changed;) {
    changed = false;
    const auto gain = [&](LinkIndex index) {
      const auto way = ways.find(index);
      if (way == ways.end() || way->second || links_.at(index).found.loopback) return;
      way->second = true;
      changed = true;
    };
    for (const auto& [index, link] : links_) {
      const auto below = stands_on_another(link.found.kind) ? ways.find(link.below) : ways.end();
      if (below != ways.end() && below->second) gain(index);
      if (ways.at(index)) gain(link.master);
      if (ways.at(index) && link.found.kind == open_vswitch) switched = true;
    }
    for (const auto& [index, link] : links_) {
      if (switched && link.found.kind == open_vswitch) gain(index);  // a bridge of it has no port that names it
    }
  }
  return ways;
}

std::vector<LinkFindings::Link> Interfaces::links() const {
  const auto ways = ways_out();
  std::vector<LinkFindings::Link> found;
  for (const auto& [index, link] : links_) {
    found.push_back(link.found);
    found.back().way_out = ways.at(index);
  }
  return found;
}

std::vector<AddressFindings::Address> Interfaces::addresses() const {
  const auto ways = ways_out();
  std::vector<AddressFindings::Address> found;
  for (const auto& [index, address] : addresses_) {
    const auto link = links_.find(index);
    if (link == links_.end()) continue;
    // Others than its own lie there on purpose: a router's.
    if (link->second.found.loopback && boost::asio::ip::make_address(address.address).is_loopback()) continue;
    found.push_back(address);
    found.back().interface = link->second.found.name;
    found.back().way_out = ways.at(index);
  }
  return found;
}

}  // namespace holdfast::net
