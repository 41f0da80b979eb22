#include "net/network_snapshot.hpp"

#include <doctest/doctest.h>

#include <random>

#include "unit/net/messages.hpp"

using namespace holdfast::net;
using namespace holdfast::test;

namespace {

boost::asio::ip::address ip(const char* text) {
  return boost::asio::ip::make_address(text);
}

/// A device with a wire (2) that has an address and a default route, and a modem (3) that is down.
NetworkSnapshot device() {
  NetworkSnapshot snapshot;
  snapshot.fold(link(1, "lo", running | IFF_LOOPBACK));
  snapshot.fold(address(1, "127.0.0.1"));
  snapshot.fold(link(2, "eth0", running));
  snapshot.fold(address(2, "192.0.2.7"));
  snapshot.fold(route(2, "192.0.2.1", RTM_NEWROUTE, {.metric = 100}));
  snapshot.fold(link(3, "wwan0", 0));
  return snapshot;
}

/// A snapshot that messages change, and what changed since the last look.
struct Network {
  NetworkSnapshot now = device();
  NetworkSnapshot told = now;

  Network& hears(const Message& message) {
    now.fold(message);
    return *this;
  }
  NetworkChange change() {
    NetworkChange change = compare(told, now);
    told = now;
    return change;
  }
  bool nothing_changed() {
    const NetworkChange seen = change();
    return !seen.gained && seen.gone.empty() && seen.what.empty();
  }
};

}  // namespace

// ---- what counts ------------------------------------------------------------------------------------------------

TEST_CASE("a new address on a running link is a gain") {
  Network network;
  const NetworkChange change = network.hears(address(2, "192.0.2.8")).change();
  CHECK(change.gained);
  CHECK(change.gone.empty());
  CHECK(change.what == "eth0 has 192.0.2.8");
}

TEST_CASE("a link that comes up counts once it has an address") {
  Network network;
  CHECK(network.hears(link(3, "wwan0", running)).nothing_changed());
  CHECK(network.hears(address(3, "10.64.0.2")).change().what == "wwan0 has 10.64.0.2");

  network.hears(link(3, "wwan0", IFF_UP));  // the carrier goes, the address stays
  CHECK(network.nothing_changed());
  const NetworkChange back = network.hears(link(3, "wwan0", running)).change();
  CHECK(back.gained);
  CHECK(back.what == "wwan0 has 10.64.0.2");
}

TEST_CASE("a pure loss is no gain, and names the addresses that are gone") {
  Network network;
  CHECK(network.hears(link(2, "eth0", IFF_UP)).nothing_changed());
  CHECK(network.hears(route(2, "192.0.2.1", RTM_DELROUTE, {.metric = 100})).nothing_changed());
  const NetworkChange change = network.hears(address(2, "192.0.2.7", RTM_DELADDR)).change();
  CHECK_FALSE(change.gained);
  CHECK_FALSE(change.connected);
  CHECK(change.gone == std::vector{ip("192.0.2.7")});
  CHECK(change.what == "192.0.2.7 is gone");
}

TEST_CASE("an address that goes and comes back before anybody looks has not changed") {
  Network network;
  CHECK(network.hears(address(2, "192.0.2.7", RTM_DELADDR)).hears(address(2, "192.0.2.7")).nothing_changed());
  CHECK(network.hears(link(2, "eth0", 0))
            .hears(link(2, "eth0", running))
            .hears(route(2, "192.0.2.1", RTM_NEWROUTE, {.metric = 100}))
            .nothing_changed());
}

TEST_CASE("an address that moves to another link is not gone, but is a gain there") {
  Network network;
  network.hears(link(3, "wwan0", running)).hears(address(3, "192.0.2.7")).hears(address(2, "192.0.2.7", RTM_DELADDR));
  const NetworkChange change = network.change();
  CHECK(change.gone.empty());
  CHECK(change.gained);
}

TEST_CASE("what a DHCP server or a router only confirms changes nothing") {
  Network network;
  CHECK_FALSE(network.now.fold(address(2, "192.0.2.7", RTM_NEWADDR, {.lifetime = 7200})));
  CHECK_FALSE(network.now.fold(route(2, "192.0.2.1", RTM_NEWROUTE, {.metric = 100})));
  CHECK_FALSE(network.now.fold(link(2, "eth0", running)));
}

TEST_CASE("an address counts when the check for duplicates is done") {
  Network network;
  network.hears(address(2, "2001:db8::7", RTM_NEWADDR, {.flags = IFA_F_TENTATIVE}));
  CHECK(network.nothing_changed());
  network.hears(address(2, "2001:db8::7", RTM_NEWADDR, {.flags = IFA_F_PERMANENT}));
  CHECK(network.change().what == "eth0 has 2001:db8::7");
  network.hears(address(2, "2001:db8::8", RTM_NEWADDR, {.flags = IFA_F_TENTATIVE | IFA_F_OPTIMISTIC}));
  CHECK(network.change().gained);
  network.hears(address(2, "2001:db8::7", RTM_NEWADDR, {.flags = IFA_F_PERMANENT | IFA_F_DADFAILED}));
  CHECK(network.change().gone == std::vector{ip("2001:db8::7")});
}

TEST_CASE("link-local and loopback addresses lead to no relay, but a session may have had one") {
  Network network;
  network.hears(address(2, "fe80::7", RTM_NEWADDR, {.scope = RT_SCOPE_LINK})).hears(address(1, "127.0.0.2"));
  CHECK(network.nothing_changed());
  network.hears(address(2, "fe80::7", RTM_DELADDR, {.scope = RT_SCOPE_LINK}));
  const NetworkChange change = network.change();
  CHECK_FALSE(change.gained);
  CHECK(change.gone == std::vector{ip("fe80::7")});
}

TEST_CASE("ours, not the other end's, is the address of a point-to-point link") {
  NetworkSnapshot snapshot;
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_index = 3;
  Message message(RTM_NEWADDR, header);
  message.with_address(IFA_ADDRESS, "10.0.0.1").with_address(IFA_LOCAL, "10.0.0.2");
  CHECK(snapshot.fold(message));
  CHECK(snapshot.addresses.begin()->address == ip("10.0.0.2"));
}

// ---- routes -----------------------------------------------------------------------------------------------------

TEST_CASE("another gateway or metric of the default route is a gain, and so is the replacement of one") {
  Network network;
  network.hears(route(2, "192.0.2.254", RTM_NEWROUTE, {.metric = 100, .message_flags = NLM_F_REPLACE}));
  CHECK(network.change().what == "default route by 192.0.2.254 over eth0");
  CHECK(network.now.default_routes.size() == 1);
  network.hears(route(2, "192.0.2.254", RTM_NEWROUTE, {.metric = 50}));
  CHECK(network.change().gained);
}

TEST_CASE("when the default route in use goes the one that takes over is a gain") {
  Network network;
  network.hears(link(3, "wwan0", running)).hears(route(3, "", RTM_NEWROUTE, {.metric = 700}));
  CHECK(network.change().what == "default route over wwan0");
  network.hears(route(2, "192.0.2.1", RTM_DELROUTE, {.metric = 100}));
  CHECK(network.change().what == "default route over wwan0");
}

TEST_CASE("the kernel takes the IPv4 routes of a link that is set down without a word") {
  Network network;
  network.hears(link(3, "wwan0", running)).hears(route(3, "10.64.0.1", RTM_NEWROUTE, {.metric = 700})).change();
  network.hears(link(2, "eth0", 0));
  CHECK(network.change().what == "default route by 10.64.0.1 over wwan0");
}

TEST_CASE("a route that is dead for want of a carrier is not in use") {
  Network network;
  network.hears(link(3, "wwan0", running)).hears(route(3, "10.64.0.1", RTM_NEWROUTE, {.metric = 700})).change();
  network.hears(route(2, "192.0.2.1", RTM_NEWROUTE, {.metric = 100, .flags = RTNH_F_DEAD | RTNH_F_LINKDOWN}));
  CHECK(network.change().what == "default route by 10.64.0.1 over wwan0");
}

TEST_CASE("only default routes that packets take matter") {
  NetworkSnapshot snapshot = device();
  CHECK_FALSE(snapshot.fold(route(2, "192.0.2.9", RTM_NEWROUTE, {.prefix = 24})));
  CHECK_FALSE(snapshot.fold(route(2, "192.0.2.9", RTM_NEWROUTE, {.flags = RTM_F_CLONED})));
  rtmsg unreachable{};
  unreachable.rtm_family = AF_INET6;
  unreachable.rtm_type = RTN_UNREACHABLE;
  CHECK_FALSE(snapshot.fold(Message(RTM_NEWROUTE, unreachable)));
  rtmsg multicast{};
  multicast.rtm_family = RTNL_FAMILY_IPMR;
  multicast.rtm_type = RTN_UNICAST;
  CHECK_FALSE(snapshot.fold(Message(RTM_NEWROUTE, multicast)));
}

TEST_CASE("each next hop of a multipath route counts, and a dead one does not") {
  struct Hop {
    rtnexthop header;
    rtattr attribute;
    std::array<unsigned char, 4> gateway;
  };
  const auto hop = [](int index, unsigned char last, unsigned char flags) {
    return Hop{{sizeof(Hop), flags, 0, index}, {8, RTA_GATEWAY}, {192, 0, 2, last}};
  };
  std::array hops{hop(2, 1, 0), hop(3, 2, 0), hop(4, 3, RTNH_F_DEAD)};
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_type = RTN_UNICAST;
  header.rtm_table = RT_TABLE_MAIN;
  NetworkSnapshot snapshot;
  CHECK(snapshot.fold(Message(RTM_NEWROUTE, header).with(RTA_MULTIPATH, hops.data(), sizeof hops)));
  REQUIRE(snapshot.default_routes.size() == 2);
  CHECK(snapshot.default_routes.begin()->gateway == "192.0.2.1");

  hops[1].header.rtnh_len = 2;  // shorter than itself: the walk ends there
  NetworkSnapshot cut;
  cut.fold(Message(RTM_NEWROUTE, header).with(RTA_MULTIPATH, hops.data(), sizeof hops));
  CHECK(cut.default_routes.size() == 1);
}

// ---- links ------------------------------------------------------------------------------------------------------

TEST_CASE("a link that is deleted takes its addresses and routes along") {
  Network network;
  network.hears(link(2, "eth0", 0, RTM_DELLINK));
  CHECK(network.change().gone == std::vector{ip("192.0.2.7")});
  CHECK(network.now.default_routes.empty());
}

TEST_CASE("a port that leaves its bridge is still there") {
  NetworkSnapshot snapshot = device();
  CHECK_FALSE(snapshot.fold(link(2, "eth0", 0, RTM_DELLINK, AF_BRIDGE)));
}

TEST_CASE("a link's name goes to the log without its control characters") {
  Network network;
  network.hears(link(9, "a\nb\x1b", running)).hears(address(9, "192.0.2.9"));
  CHECK(network.change().what == "a?b? has 192.0.2.9");
}

TEST_CASE("a line names six changes at most") {
  Network network;
  for (int last = 10; last < 30; ++last) network.hears(address(2, "192.0.2." + std::to_string(last)));
  const std::string what = network.change().what;
  CHECK(what.find("192.0.2.15; and 14 more") != std::string::npos);
}

// ---- what is not as it should be --------------------------------------------------------------------------------

TEST_CASE("a message that is cut anywhere does no harm") {
  std::vector<Message> messages{link(5, "eth5", running), address(5, "192.0.2.5"), address(5, "2001:db8::5"),
                                route(5, "192.0.2.1", RTM_NEWROUTE, {.metric = 100})};
  for (const Message& whole : messages) {
    for (std::size_t size = sizeof(nlmsghdr); size < whole.size(); ++size) {
      NetworkSnapshot snapshot;
      Message cut = whole;
      snapshot.fold(cut.cut_to(size));
      CHECK(snapshot.addresses.size() + snapshot.default_routes.size() + snapshot.links.size() <= 1);
    }
  }
  NetworkSnapshot snapshot;
  CHECK_FALSE(snapshot.fold(link(5, "eth5", running).cut_to(sizeof(nlmsghdr) + 4)));
  CHECK_FALSE(snapshot.fold(address(5, "192.0.2.5").cut_to(sizeof(nlmsghdr) + sizeof(ifaddrmsg) + 4)));
}

TEST_CASE("a link without a name is a change too") {
  NetworkSnapshot snapshot;
  CHECK(snapshot.fold(Message(RTM_NEWLINK, ifinfomsg{})));
  CHECK_FALSE(snapshot.fold(Message(RTM_NEWLINK, ifinfomsg{})));
}

TEST_CASE("a link that is deleted takes its addresses along, even if it was never told of") {
  NetworkSnapshot snapshot;
  snapshot.fold(address(5, "192.0.2.5"));
  CHECK(snapshot.fold(link(5, "eth5", 0, RTM_DELLINK)));
  CHECK(snapshot == NetworkSnapshot{});
}

TEST_CASE("an attribute ends where its message does") {
  Message cut = Message(RTM_NEWADDR, ifaddrmsg{AF_INET6, 64, 0, 0, 5}).with_address(IFA_ADDRESS, "2001:db8::5");
  NetworkSnapshot snapshot;
  CHECK_FALSE(snapshot.fold(cut.cut_to(cut.size() - 1)));
}

TEST_CASE("a datagram's messages are as long as they say, and the first that is not is the last") {
  const Message first = link(5, "eth5", running);
  const Message second = address(5, "192.0.2.5");
  const std::size_t place = NLMSG_ALIGN(first.size());
  const auto datagram_with = [&](std::uint32_t length) {
    std::vector<std::byte> bytes(place + second.size());
    std::memcpy(bytes.data(), &static_cast<const nlmsghdr&>(first), first.size());
    std::memcpy(bytes.data() + place, &static_cast<const nlmsghdr&>(second), second.size());
    std::memcpy(bytes.data() + place, &length, sizeof length);
    return bytes;
  };
  const auto size = static_cast<std::uint32_t>(second.size());
  CHECK(messages_of(datagram_with(size)).size() == 2);
  CHECK(messages_of(datagram_with(size - 1)).size() == 2);
  for (const std::uint32_t wrong : {size + 1, 0U, 15U, 0x7fffffffU, 0x80000000U, 0xfffffff0U, 0xffffffffU}) {
    CAPTURE(wrong);
    CHECK(messages_of(datagram_with(wrong)).size() == 1);
  }
  CHECK(messages_of({}).empty());
}

TEST_CASE("a message with any one byte altered does no harm") {
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    Message message = round % 3 == 0   ? link(5, "eth5", running)
                      : round % 3 == 1 ? address(5, "2001:db8::5")
                                       : route(5, "192.0.2.1", RTM_NEWROUTE, {.metric = 100});
    const std::size_t place = sizeof(std::uint32_t) + random() % (message.size() - sizeof(std::uint32_t));
    message.data()[place] = static_cast<unsigned char>(random());
    NetworkSnapshot snapshot = device();
    snapshot.fold(message);
    CHECK(snapshot.links.size() <= 4);
  }
}

TEST_CASE("other messages are not for us") {
  NetworkSnapshot snapshot = device();
  ndmsg neighbour{};
  CHECK_FALSE(snapshot.fold(Message(RTM_NEWNEIGH, neighbour)));
  CHECK_FALSE(snapshot.fold(Message(NLMSG_DONE, 0)));
  CHECK(snapshot == device());
}
