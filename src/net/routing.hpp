#pragma once

#include <boost/asio/ip/address.hpp>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/findings.hpp"

/// What the kernel's routing says now (rtnetlink(7)). Each function asks with a socket of its own and is answered from
/// inside the call: nothing is sent, and no privilege is needed.
namespace holdfast::net {

/// The default routes of all tables. A route that several gateways share is one, and names the first of them.
std::vector<RouteFindings::Default> default_routes();

/// "100: from 10.0.0.0/8 fwmark 0x1 lookup 51820", without the three that every kernel has.
std::vector<std::string> routing_rules();

/// What `ip route get` says: the way that a packet to this address would take. `interface`: it has to leave by that one
/// (SO_BINDTODEVICE); `from`: with that source.
RouteFindings::Way way_to(const boost::asio::ip::address& to, const std::string& interface = {},
                          const std::optional<boost::asio::ip::address>& from = {});

/// An entry of the table that ARP and neighbour discovery fill.
struct Neighbour {
  boost::asio::ip::address address;
  std::string interface;
  std::string state;         ///< "reachable", "stale", "delay", "probe", "incomplete", "failed", "permanent", "noarp"
  std::string link_address;  ///< "02:00:00:00:00:01"; empty if it is not known
};
std::vector<Neighbour> neighbours();

}  // namespace holdfast::net
