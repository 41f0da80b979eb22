#include "net/interfaces.hpp"

#include <doctest/doctest.h>
#include <net/if_arp.h>

#include <string>

#include "unit/net/messages.hpp"

using namespace holdfast;
using namespace holdfast::net;
using namespace holdfast::test;

namespace {

struct Kind {
  std::string kind{};    ///< in IFLA_LINKINFO
  std::string parent{};  ///< the device below: "1-1:1.4"
  std::uint32_t below = 0;
  std::uint32_t master = 0;
  bool elsewhere = false;  ///< its other end
  unsigned short type = ARPHRD_ETHER;
};

Message made(int index, const std::string& name, const Kind& kind, unsigned flags = running) {
  ifinfomsg header{};
  header.ifi_index = index;
  header.ifi_flags = flags;
  header.ifi_type = kind.type;
  Message message(RTM_NEWLINK, header);
  message.with_name(name);
  if (!kind.kind.empty()) {
    const Message info = Message(0, Kind{}.below).with(IFLA_INFO_KIND, kind.kind.c_str(), kind.kind.size() + 1);
    // Behind the header and its four bytes stands the attribute alone.
    const auto* bytes =
        reinterpret_cast<const unsigned char*>(&static_cast<const nlmsghdr&>(info)) + sizeof(nlmsghdr) + 4;
    message.with(IFLA_LINKINFO, bytes, info.size() - sizeof(nlmsghdr) - 4);
  }
  if (!kind.parent.empty()) message.with(IFLA_PARENT_DEV_NAME, kind.parent.c_str(), kind.parent.size() + 1);
  if (kind.below != 0) message.with(IFLA_LINK, kind.below);
  if (kind.master != 0) message.with(IFLA_MASTER, kind.master);
  if (kind.elsewhere) message.with(IFLA_LINK_NETNSID, 0U);
  message.with(IFLA_CARRIER_DOWN_COUNT, static_cast<std::uint32_t>(index));
  return message;
}

/// The names of the links that lead out, in their order.
std::string ways_out(const Interfaces& interfaces) {
  std::string names;
  for (const LinkFindings::Link& link : interfaces.links()) {
    if (link.way_out) names += (names.empty() ? "" : " ") + link.name;
  }
  return names;
}

Interfaces with(const std::vector<Message>& messages) {
  Interfaces interfaces;
  for (const Message& message : messages) interfaces.take(message);
  return interfaces;
}

Message loopback() {
  return made(1, "lo", {.type = ARPHRD_LOOPBACK}, running | IFF_LOOPBACK);
}

AddressFindings::Address only_address(const Message& message) {
  const Interfaces interfaces = with({made(2, "eth0", {.parent = "0000:01:00.0"}), message});
  REQUIRE(interfaces.addresses().size() == 1);
  return interfaces.addresses().front();
}

}  // namespace

TEST_CASE("a link is told as it is") {
  const Interfaces interfaces = with({loopback(), made(2, "eth0", {.parent = "virtio0"}, IFF_UP)});
  REQUIRE(interfaces.links().size() == 2);
  CHECK(interfaces.links().front().loopback);
  const LinkFindings::Link eth0 = interfaces.links().back();
  CHECK(eth0.name == "eth0");
  CHECK(eth0.up);
  CHECK_FALSE(eth0.carrier);
  CHECK(eth0.losses == 2U);
  CHECK(eth0.kind.empty());
}

TEST_CASE("on a machine what has a device below it leads out, and what stands on that; containers and VPNs do not") {
  CHECK(ways_out(with(
            {loopback(), made(2, "eth0", {.parent = "0000:01:00.0"}), made(3, "eth0.7", {.kind = "vlan", .below = 2}),
             made(4, "docker0", {.kind = "bridge"}), made(5, "veth1", {.kind = "veth", .master = 4, .elsewhere = true}),
             made(6, "wg0", {.kind = "wireguard", .type = ARPHRD_NONE}),
             made(7, "tun0", {.kind = "tun", .type = ARPHRD_NONE}), made(8, "gre1", {.kind = "gre", .below = 2}),
             made(9, "wwan0", {.kind = "wwan", .parent = "wwan0", .type = ARPHRD_NONE}),
             made(10, "ppp0", {.kind = "ppp", .type = ARPHRD_PPP}),
             made(11, "can0", {.parent = "spi0.0", .type = ARPHRD_CAN})})) == "eth0 eth0.7 wwan0 ppp0");
}

TEST_CASE("a bridge or a bond leads out by its port, and a VLAN on it too, in whatever order they come") {
  CHECK(ways_out(with({loopback(), made(2, "br0.5", {.kind = "vlan", .below = 3}), made(3, "br0", {.kind = "bridge"}),
                       made(4, "eth0", {.parent = "0000:01:00.0", .master = 3}),
                       made(5, "vnet0", {.kind = "tun", .master = 3})})) == "br0.5 br0 eth0");
}

TEST_CASE("in a container what leads to another namespace, or to a program, is the way out") {
  CHECK(ways_out(with({loopback(), made(2, "eth0", {.kind = "veth", .below = 9, .elsewhere = true})})) == "eth0");
  CHECK(ways_out(with({loopback(), made(2, "tap0", {.kind = "tun"}), made(3, "sit0", {.kind = "sit"}, 0)})) == "tap0");
  CHECK(ways_out(with({loopback(), made(2, "dummy0", {.kind = "dummy"})})).empty());
}

TEST_CASE("links that stand on each other end") {
  CHECK(
      ways_out(with({made(2, "a", {.kind = "vlan", .below = 3}), made(3, "b", {.kind = "vlan", .below = 2})})).empty());
}

TEST_CASE("an address is told with what is wrong with it") {
  const auto plain = only_address(address(2, "192.0.2.7"));
  CHECK(plain.interface == "eth0");
  CHECK(plain.address == "192.0.2.7");
  CHECK(plain.way_out);
  CHECK_FALSE((plain.link_local || plain.expired || plain.duplicate || plain.tentative));
  CHECK(only_address(address(2, "169.254.1.2")).link_local);
  CHECK(only_address(address(2, "fe80::1")).link_local);
  CHECK(only_address(address(2, "2001:db8::1", RTM_NEWADDR, {.flags = IFA_F_DEPRECATED})).expired);
  CHECK(only_address(address(2, "2001:db8::1", RTM_NEWADDR, {.flags = IFA_F_TENTATIVE})).tentative);
  CHECK_FALSE(
      only_address(address(2, "2001:db8::1", RTM_NEWADDR, {.flags = IFA_F_TENTATIVE | IFA_F_OPTIMISTIC})).tentative);
  CHECK(only_address(address(2, "2001:db8::1", RTM_NEWADDR, {.flags = IFA_F_DADFAILED | IFA_F_TENTATIVE})).duplicate);
}

TEST_CASE("the loopback's addresses, and those of a link that is not known, are left out") {
  CHECK(with({loopback(), address(1, "127.0.0.1"), address(7, "192.0.2.7")}).addresses().empty());
}

TEST_CASE("messages that were cut, or are of something else, add nothing") {
  Interfaces interfaces;
  for (std::size_t size = sizeof(nlmsghdr); size < sizeof(nlmsghdr) + sizeof(ifinfomsg); ++size) {
    interfaces.take(made(2, "eth0", {.kind = "veth"}).cut_to(size));
  }
  interfaces.take(link(2, "eth0", running, RTM_NEWLINK, AF_BRIDGE));
  interfaces.take(route(2, "192.0.2.1"));
  CHECK(interfaces.links().empty());
  for (std::size_t size = sizeof(nlmsghdr); size < address(2, "192.0.2.7").size(); ++size) {
    interfaces.take(address(2, "192.0.2.7").cut_to(size));
  }
  interfaces.take(address(2, "192.0.2.7", RTM_DELADDR));
  CHECK(interfaces.addresses().empty());
}
