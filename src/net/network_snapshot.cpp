#include "net/network_snapshot.hpp"

#include <linux/if_addr.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>

#include "net/netlink_message.hpp"

namespace holdfast::net {
namespace {

namespace ip = boost::asio::ip;
using namespace netlink;
using Link = NetworkSnapshot::Link;
using Address = NetworkSnapshot::Address;
using DefaultRoute = NetworkSnapshot::DefaultRoute;

/// How many items a line of the log names.
constexpr std::size_t most_items = 6;

// ---- routes -----------------------------------------------------------------------------------------------------

constexpr auto way_of = [](const DefaultRoute& route) { return std::tuple{route.family, route.table, route.metric}; };

/// The next hops of a multipath route, in RTA_MULTIPATH.
std::vector<DefaultRoute> next_hops(const DefaultRoute& common, Bytes bytes) {
  std::vector<DefaultRoute> hops;
  while (const auto hop = read<rtnexthop>(bytes)) {
    if (hop->rtnh_len < sizeof *hop || hop->rtnh_len > bytes.size()) break;
    const Attributes attributes = attributes_of(bytes.first(hop->rtnh_len).subspan(sizeof *hop));
    if ((hop->rtnh_flags & RTNH_F_DEAD) == 0) {
      DefaultRoute route = common;
      route.link = static_cast<NetworkSnapshot::LinkIndex>(hop->rtnh_ifindex);
      route.gateway = gateway_of(common.family, attributes);
      hops.push_back(std::move(route));
    }
    bytes = behind(bytes, hop->rtnh_len);
  }
  return hops;
}

struct RouteNews {
  DefaultRoute common;  ///< family, table and metric
  std::vector<DefaultRoute> routes;
};

/// None for what is no default route that packets take.
std::optional<RouteNews> read_default_route(const nlmsghdr& message) {
  const auto parsed = parse<rtmsg>(message);
  if (!parsed) return std::nullopt;
  const auto& [header, attributes] = *parsed;
  const bool wanted = (header.rtm_family == AF_INET || header.rtm_family == AF_INET6) && header.rtm_dst_len == 0 &&
                      header.rtm_src_len == 0 && header.rtm_tos == 0 && header.rtm_type == RTN_UNICAST &&
                      (header.rtm_flags & RTM_F_CLONED) == 0;
  if (!wanted) return std::nullopt;
  RouteNews news;
  news.common.family = header.rtm_family;
  news.common.table = read<std::uint32_t>(attributes, RTA_TABLE).value_or(header.rtm_table);
  news.common.metric = read<std::uint32_t>(attributes, RTA_PRIORITY).value_or(0);
  if (const auto multipath = attributes.find(RTA_MULTIPATH); multipath != attributes.end()) {
    news.routes = next_hops(news.common, multipath->second);
    return news;
  }
  if ((header.rtm_flags & RTNH_F_DEAD) != 0) return news;
  DefaultRoute route = news.common;
  route.link = read<std::uint32_t>(attributes, RTA_OIF).value_or(0);
  route.gateway = gateway_of(header.rtm_family, attributes);
  news.routes.push_back(std::move(route));
  return news;
}

void erase_way(std::set<DefaultRoute>& routes, const DefaultRoute& common) {
  std::erase_if(routes, [&](const DefaultRoute& route) { return way_of(route) == way_of(common); });
}

bool fold_route(const nlmsghdr& message, std::set<DefaultRoute>& routes) {
  const auto news = read_default_route(message);
  if (!news) return false;
  const std::set<DefaultRoute> before = routes;
  if (message.nlmsg_type == RTM_NEWROUTE) {
    if ((message.nlmsg_flags & NLM_F_REPLACE) != 0 || news->routes.empty()) erase_way(routes, news->common);
    routes.insert(news->routes.begin(), news->routes.end());
  } else {
    std::size_t erased = 0;
    for (const DefaultRoute& route : news->routes) erased += routes.erase(route);
    // Named otherwise than when it came: better one too few than a ghost that hides the next one.
    if (erased == 0) erase_way(routes, news->common);
  }
  return routes != before;
}

// ---- links and addresses ----------------------------------------------------------------------------------------

bool erase_routes_over(NetworkSnapshot::LinkIndex link, int family, std::set<DefaultRoute>& routes) {
  return std::erase_if(routes, [&](const DefaultRoute& route) {
           return route.link == link && (family == AF_UNSPEC || route.family == family);
         }) > 0;
}

bool fold_link(const nlmsghdr& message, NetworkSnapshot& into) {
  const auto parsed = parse<ifinfomsg>(message);
  // A bridge says RTM_DELLINK in its own family when a port leaves it: the link itself stays.
  if (!parsed || parsed->first.ifi_family != AF_UNSPEC) return false;
  const auto& [header, attributes] = *parsed;
  const auto index = static_cast<NetworkSnapshot::LinkIndex>(header.ifi_index);
  if (message.nlmsg_type == RTM_DELLINK) {
    const auto addresses = std::erase_if(into.addresses, [&](const Address& each) { return each.link == index; });
    const bool routes_went = erase_routes_over(index, AF_UNSPEC, into.default_routes);
    return into.links.erase(index) + addresses > 0 || routes_went;
  }
  const auto [place, added] = into.links.try_emplace(index);
  Link& link = place->second;
  const Link before = link;
  if (const auto name = attributes.find(IFLA_IFNAME); name != attributes.end()) link.name = printable(name->second);
  link.up = (header.ifi_flags & IFF_UP) != 0;
  link.running = link.up && (header.ifi_flags & IFF_RUNNING) != 0;
  link.loopback = (header.ifi_flags & IFF_LOOPBACK) != 0;
  const bool routes_went = !link.up && erase_routes_over(index, AF_INET, into.default_routes);
  return added || routes_went || link != before;
}

bool fold_address(const nlmsghdr& message, std::set<Address>& addresses) {
  const auto parsed = parse<ifaddrmsg>(message);
  if (!parsed) return false;
  const auto& [header, attributes] = *parsed;
  // IFA_ADDRESS is the other end's on a point-to-point link; IFA_LOCAL, where it stands, is ours.
  auto address = to_address(header.ifa_family, attributes, IFA_LOCAL);
  if (!address) address = to_address(header.ifa_family, attributes, IFA_ADDRESS);
  if (!address) return false;
  const std::uint32_t flags = read<std::uint32_t>(attributes, IFA_FLAGS).value_or(header.ifa_flags);
  const bool tentative = (flags & IFA_F_TENTATIVE) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
  const Address ours{header.ifa_index, *address, header.ifa_scope >= RT_SCOPE_LINK};
  if (message.nlmsg_type == RTM_DELADDR || tentative || (flags & IFA_F_DADFAILED) != 0) {
    return addresses.erase(ours) > 0;
  }
  return addresses.insert(ours).second;
}

// ---- what changed -----------------------------------------------------------------------------------------------

const Link* find_link(const NetworkSnapshot& snapshot, NetworkSnapshot::LinkIndex index) {
  const auto found = snapshot.links.find(index);
  return found == snapshot.links.end() ? nullptr : &found->second;
}

bool carries_traffic(const NetworkSnapshot& snapshot, NetworkSnapshot::LinkIndex index) {
  const Link* link = find_link(snapshot, index);
  return link != nullptr && link->running && !link->loopback;
}

std::string name_of(const NetworkSnapshot& snapshot, NetworkSnapshot::LinkIndex index) {
  const Link* link = find_link(snapshot, index);
  return link != nullptr ? link->name : "link " + std::to_string(index);
}

/// Those that may lead to a relay now.
template <typename Item>
std::set<Item> usable(const NetworkSnapshot& snapshot, const std::set<Item>& items) {
  std::set<Item> found;
  std::copy_if(items.begin(), items.end(), std::inserter(found, found.end()),
               [&](const Item& item) { return carries_traffic(snapshot, item.link); });
  return found;
}

std::set<Address> usable_addresses(const NetworkSnapshot& snapshot) {
  std::set<Address> found = usable(snapshot, snapshot.addresses);
  std::erase_if(found, [](const Address& address) { return address.link_local; });
  return found;
}

/// The routes of the lowest metric of each family and table: what packets take, with a carrier or without.
std::set<DefaultRoute> routes_in_use(const NetworkSnapshot& snapshot) {
  std::map<std::pair<int, std::uint32_t>, std::uint32_t> lowest;
  for (const DefaultRoute& route : snapshot.default_routes) {
    const auto [known, added] = lowest.try_emplace({route.family, route.table}, route.metric);
    if (!added) known->second = std::min(known->second, route.metric);
  }
  std::set<DefaultRoute> used;
  for (const DefaultRoute& route : snapshot.default_routes) {
    if (lowest.at({route.family, route.table}) == route.metric) used.insert(route);
  }
  return used;
}

template <typename Item>
std::vector<Item> added(const std::set<Item>& before, const std::set<Item>& after) {
  std::vector<Item> items;
  std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(items));
  return items;
}

std::set<ip::address> plain_addresses(const NetworkSnapshot& snapshot) {
  std::set<ip::address> addresses;
  for (const Address& address : snapshot.addresses) addresses.insert(address.address);
  return addresses;
}

std::string route_text(const NetworkSnapshot& snapshot, const DefaultRoute& route) {
  return "default route " + (route.gateway.empty() ? "" : "by " + route.gateway + " ") + "over " +
         name_of(snapshot, route.link);
}

std::string join(const std::vector<std::string>& items) {
  std::string text;
  for (std::size_t index = 0; index < std::min(items.size(), most_items); ++index) {
    text += (index == 0 ? "" : "; ") + items[index];
  }
  if (items.size() > most_items) text += "; and " + std::to_string(items.size() - most_items) + " more";
  return text;
}

}  // namespace

std::vector<const nlmsghdr*> messages_of(std::span<const std::byte> datagram) {
  std::vector<const nlmsghdr*> messages;
  while (const auto header = read<nlmsghdr>(datagram)) {
    if (header->nlmsg_len < sizeof *header || header->nlmsg_len > datagram.size()) break;
    messages.push_back(reinterpret_cast<const nlmsghdr*>(datagram.data()));
    datagram = behind(datagram, header->nlmsg_len);
  }
  return messages;
}

bool NetworkSnapshot::fold(const nlmsghdr& message) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return fold_link(message, *this);
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return fold_address(message, addresses);
    case RTM_NEWROUTE:
    case RTM_DELROUTE:
      return fold_route(message, default_routes);
    default:
      return false;
  }
}

NetworkChange compare(const NetworkSnapshot& before, const NetworkSnapshot& after) {
  NetworkChange change;
  std::vector<std::string> items;
  const std::set<Address> addresses = usable_addresses(after);
  for (const Address& address : added(usable_addresses(before), addresses)) {
    items.push_back(name_of(after, address.link) + " has " + address.address.to_string());
  }
  // A route counts when it can be used, and again when packets begin to take it.
  std::set<DefaultRoute> routes;
  std::set<DefaultRoute> known = usable(before, before.default_routes);
  for (const DefaultRoute& route : added(known, usable(after, after.default_routes))) routes.insert(route);
  for (const DefaultRoute& route : added(routes_in_use(before), routes_in_use(after))) routes.insert(route);
  for (const DefaultRoute& route : routes) items.push_back(route_text(after, route));
  change.gained = !items.empty();
  change.gone = added(plain_addresses(after), plain_addresses(before));
  for (const ip::address& address : change.gone) items.push_back(address.to_string() + " is gone");
  change.connected = !addresses.empty();
  change.what = join(items);
  return change;
}

}  // namespace holdfast::net
