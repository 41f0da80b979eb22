#pragma once

#include <boost/asio/ip/address.hpp>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

struct nlmsghdr;

namespace holdfast::net {

/// The messages of a datagram, which is aligned as they are; each is as long as it says. The first that is not ends the
/// list. libmnl takes a length above 2 GiB for a negative one, and that for a short one.
std::vector<const nlmsghdr*> messages_of(std::span<const std::byte> datagram);

/// What of this machine's network can matter to a tunnel: links, addresses and default routes. Lifetimes, statistics
/// and neighbours are left out, so that what a DHCP server or a router merely confirms changes nothing.
struct NetworkSnapshot {
  using LinkIndex = std::uint32_t;

  struct Link {
    std::string name;      ///< printable
    bool up = false;       ///< as the operator set it
    bool running = false;  ///< up, with a carrier, and ready for traffic (RFC 2863's operational status)
    bool loopback = false;

    friend bool operator==(const Link&, const Link&) = default;
  };
  struct Address {
    LinkIndex link = 0;
    boost::asio::ip::address address;
    bool link_local = false;  ///< by its scope: leads to neighbours only

    friend bool operator==(const Address&, const Address&) = default;
    friend bool operator<(const Address& left, const Address& right) {
      return std::tie(left.link, left.address, left.link_local) < std::tie(right.link, right.address, right.link_local);
    }
  };
  struct DefaultRoute {
    int family = 0;  ///< AF_INET or AF_INET6
    std::uint32_t table = 0;
    std::uint32_t metric = 0;  ///< the lowest one of a table is used
    LinkIndex link = 0;
    std::string gateway;  ///< "192.0.2.1"; empty for a link without one

    friend bool operator==(const DefaultRoute&, const DefaultRoute&) = default;
    friend bool operator<(const DefaultRoute& left, const DefaultRoute& right) {
      const auto parts = [](const DefaultRoute& route) {
        return std::tie(route.family, route.table, route.metric, route.link, route.gateway);
      };
      return parts(left) < parts(right);
    }
  };

  std::map<LinkIndex, Link> links;
  std::set<Address> addresses;  ///< tentative ones (RFC 4862, 5.4) are not yet addresses
  std::set<DefaultRoute> default_routes;

  /// Takes in one message of NETLINK_ROUTE, from a dump or a multicast, as long as it says. False if it changed
  /// nothing; also if it is malformed or about something else. The kernel takes IPv4 routes away with their link
  /// without a word, so that a snapshot that was folded for a while only tells when it is time for a fresh one.
  bool fold(const nlmsghdr& message);

  friend bool operator==(const NetworkSnapshot&, const NetworkSnapshot&) = default;
};

struct NetworkChange {
  /// Something appeared that may lead to a relay: an address on a running link, a default route over one, or another
  /// default route that is used now. What merely went away is no gain.
  bool gained = false;
  /// Addresses that the machine had and has no more.
  std::vector<boost::asio::ip::address> gone;
  /// An address that is not link-local is left on a running link.
  bool connected = false;
  std::string what;  ///< "wwan0 has 10.64.0.3; 10.64.0.2 is gone"; empty if nothing of this happened
};

NetworkChange compare(const NetworkSnapshot& before, const NetworkSnapshot& after);

}  // namespace holdfast::net
