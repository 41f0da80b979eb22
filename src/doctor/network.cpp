#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <boost/asio/ip/address.hpp>
#include <map>
#include <memory>

#include "doctor/patient.hpp"
#include "net/dial/connector.hpp"

namespace holdfast::doctor {
namespace {

struct FreeAddresses {
  void operator()(ifaddrs* list) const { ::freeifaddrs(list); }
};
using Interfaces = std::unique_ptr<ifaddrs, FreeAddresses>;

Interfaces interfaces() {
  ifaddrs* list = nullptr;
  ::getifaddrs(&list);
  return Interfaces{list};
}

}  // namespace

Look look_at_links(const Patient& patient, Then then) {
  return beside(
      patient.executor,
      [wanted = patient.there.bind_interface]() -> Finding {
        LinkFindings found;
        found.wanted = wanted;
        std::map<std::string, LinkFindings::Link> links;
        const Interfaces list = interfaces();
        for (const ifaddrs* each = list.get(); each != nullptr; each = each->ifa_next) {
          LinkFindings::Link& link = links[each->ifa_name];
          link.name = each->ifa_name;
          link.up = (each->ifa_flags & IFF_UP) != 0;
          link.carrier = (each->ifa_flags & IFF_RUNNING) != 0;
          link.loopback = (each->ifa_flags & IFF_LOOPBACK) != 0;
        }
        for (auto& [name, link] : links) found.links.push_back(std::move(link));
        return found;
      },
      std::move(then));
}

Look look_at_addresses(const Patient& patient, Then then) {
  return beside(
      patient.executor,
      [wanted = patient.there.bind_address]() -> Finding {
        AddressFindings found;
        found.wanted = wanted;
        const Interfaces list = interfaces();
        for (const ifaddrs* each = list.get(); each != nullptr; each = each->ifa_next) {
          if (each->ifa_addr == nullptr || (each->ifa_flags & IFF_LOOPBACK) != 0) continue;
          boost::asio::ip::address address;
          if (each->ifa_addr->sa_family == AF_INET) {
            const auto* in = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
            address = boost::asio::ip::address_v4{ntohl(in->sin_addr.s_addr)};
          } else if (each->ifa_addr->sa_family == AF_INET6) {
            const auto* in6 = reinterpret_cast<const sockaddr_in6*>(each->ifa_addr);
            boost::asio::ip::address_v6::bytes_type bytes{};
            std::copy(std::begin(in6->sin6_addr.s6_addr), std::end(in6->sin6_addr.s6_addr), bytes.begin());
            address = boost::asio::ip::address_v6{bytes};
          } else {
            continue;
          }
          const bool link_local = address.is_v6() ? address.to_v6().is_link_local()
                                                  : (address.to_v4().to_uint() & 0xffff0000U) == 0xa9fe0000U;
          found.addresses.push_back({each->ifa_name, address.to_string(), link_local});
        }
        return found;
      },
      std::move(then));
}

Look look_at_routes(const Patient& patient, const Findings& so_far, Then then) {
  RouteFindings found;
  found.wanted = patient.there.bind_interface;
  for (const std::string& literal : addresses_of(so_far)) {
    RouteFindings::Way way;
    way.to = literal;
    const boost::asio::ip::tcp::endpoint relay{boost::asio::ip::make_address(literal), patient.there.port};
    if (const auto source = net::source_address(patient.executor, relay)) {
      way.source = source->to_string();
    } else {
      way.error = "there is no route";
    }
    found.ways.push_back(std::move(way));
  }
  return at_once(patient.executor, [then = std::move(then), found = std::move(found)] {
    if (found.ways.empty()) return then(Skipped{"the relay's address is not known"});
    then(found);
  });
}

}  // namespace holdfast::doctor
