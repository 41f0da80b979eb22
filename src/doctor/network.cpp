#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <list>
#include <map>
#include <memory>

#include "doctor/echo.hpp"
#include "doctor/patient.hpp"
#include "holdfast/diagnosis.hpp"
#include "holdfast/running.hpp"
#include "holdfast/time.hpp"
#include "net/owned_descriptor.hpp"
#include "net/routing.hpp"

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

using boost::asio::ip::address;

constexpr std::size_t most_addresses = 4;

/// Where a session stands, that one's; else those that are known.
std::vector<address> relay_addresses(const Patient& patient, const Findings& so_far) {
  std::vector<std::string> literals = addresses_of(so_far);
  if (patient.running && has_session(*patient.running)) {
    literals = {host_of(patient.running->address)};
  }
  std::vector<address> addresses;
  for (const std::string& literal : literals) {
    boost::system::error_code error;
    const address one = boost::asio::ip::make_address(literal, error);
    if (!error && addresses.size() < most_addresses) addresses.push_back(one);
  }
  return addresses;
}

std::optional<address> source_of(const std::string& bind_address, const address& to) {
  boost::system::error_code error;
  const address ours = boost::asio::ip::make_address(bind_address, error);
  if (error || ours.is_v4() != to.is_v4()) return std::nullopt;
  return ours;
}

std::string interface_with(const std::string& ours) {
  const Interfaces list = interfaces();
  for (const ifaddrs* each = list.get(); each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    const bool v6 = each->ifa_addr->sa_family == AF_INET6;
    if (!v6 && each->ifa_addr->sa_family != AF_INET) continue;
    boost::asio::ip::udp::endpoint endpoint;
    std::memcpy(endpoint.data(), each->ifa_addr, v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
    endpoint.resize(v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
    if (endpoint.address().to_string() == ours) return each->ifa_name;
  }
  return {};
}

/// Links without addresses of their own, like PPP's and a VPN's, ask nobody.
bool asks_for_neighbours(const std::string& interface) {
  const Interfaces list = interfaces();
  for (const ifaddrs* each = list.get(); each != nullptr; each = each->ifa_next) {
    if (interface == each->ifa_name) return (each->ifa_flags & (IFF_NOARP | IFF_POINTOPOINT | IFF_LOOPBACK)) == 0;
  }
  return false;
}

/// The gateways of the ways to the relay, and the relay itself where it is a neighbour; without an address of it, those
/// of the default routes that are used.
NeighbourFindings gateways_to(const std::vector<address>& relay, const std::string& interface) {
  NeighbourFindings found;
  const auto add = [&](const std::string& gateway, const std::string& link, bool is_relay = false) {
    const auto same = [&](const auto& one) { return one.address == gateway && one.interface == link; };
    if (std::any_of(found.gateways.begin(), found.gateways.end(), same) || found.gateways.size() == 4) return;
    if (!asks_for_neighbours(link)) {
      found.none_needed = link + " has no neighbours but the other end";
      return;
    }
    NeighbourFindings::Gateway one;
    one.address = gateway;
    one.interface = link;
    one.is_relay = is_relay;
    found.gateways.push_back(std::move(one));
  };
  for (const address& to : relay) {
    const RouteFindings::Way way = net::way_to(to, interface);
    const bool is_neighbour = way.gateway.empty();
    if (way.error.empty()) add(is_neighbour ? way.to : way.gateway, way.interface, is_neighbour);
  }
  if (!relay.empty()) return found;
  for (const RouteFindings::Default& route : net::default_routes()) {
    if (!route.gateway.empty() && (interface.empty() || route.interface == interface))
      add(route.gateway, route.interface);
  }
  return found;
}

/// Has the device ask for it, with an echo and a datagram that nobody takes. What comes back, if only an error, shows
/// that it is there. The table shows what ARP or neighbour discovery makes of it.
class Knock {
 public:
  explicit Knock(NeighbourFindings::Gateway& gateway)
      : gateway_(gateway),
        address_(boost::asio::ip::make_address(gateway.address)),
        echo_(address_.is_v6(), {gateway.interface, ""}) {
    if (address_.is_v6() && address_.to_v6().is_link_local()) {
      auto v6 = address_.to_v6();
      v6.scope_id(::if_nametoindex(gateway.interface.c_str()));
      address_ = v6;
    }
    constexpr std::uint16_t discard = 9;
    const boost::asio::ip::udp::endpoint endpoint(address_, discard);
    socket_ = net::Descriptor{::socket(endpoint.data()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_BINDTODEVICE, gateway.interface.data(),
                 static_cast<socklen_t>(gateway.interface.size()));
    static_cast<void>(::connect(socket_.get(), endpoint.data(), static_cast<socklen_t>(endpoint.size())));
    look(net::neighbours());
    before_ = gateway_.state;
    send();
  }

  void send() {
    if (gateway_.answered) return;
    static_cast<void>(::send(socket_.get(), "", 1, MSG_NOSIGNAL));
    if (echo_.problem().empty()) echo_.send(address_, 1, EchoSocket::smallest(address_.is_v6()));
  }

  void look(const std::vector<net::Neighbour>& table) {
    for (const net::Neighbour& entry : table) {
      if (entry.interface != gateway_.interface || !same(entry.address)) continue;
      gateway_.state = entry.state;
      auto& seen = gateway_.link_addresses;
      if (!entry.link_address.empty() && std::find(seen.begin(), seen.end(), entry.link_address) == seen.end())
        seen.push_back(entry.link_address);
    }
    char none = 0;
    const bool refused = ::recv(socket_.get(), &none, 1, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED;
    const auto echoes = echo_.problem().empty() ? echo_.wait(Clock::now()) : std::vector<EchoNews>{};
    const bool echoed =
        std::any_of(echoes.begin(), echoes.end(), [](const auto& echo) { return echo.refusal.empty(); });
    const bool confirmed = gateway_.state == "reachable" && !before_.empty() && before_ != "reachable";
    gateway_.answered = gateway_.answered || refused || echoed || (confirmed && !gateway_.link_addresses.empty());
  }
  /// More time tells no more.
  bool over() const { return gateway_.answered || gateway_.state == "failed" || gateway_.state == "permanent"; }

 private:
  bool same(const address& other) const {
    return other.is_v6() && address_.is_v6() ? other.to_v6().to_bytes() == address_.to_v6().to_bytes()
                                             : other == address_;
  }

  NeighbourFindings::Gateway& gateway_;
  address address_;
  net::Descriptor socket_;
  EchoSocket echo_;
  std::string before_;
};

void knock_at(NeighbourFindings& found) {
  using namespace std::chrono_literals;
  std::list<Knock> knocks;
  for (NeighbourFindings::Gateway& gateway : found.gateways) knocks.emplace_back(gateway);
  const TimePoint began = Clock::now();
  TimePoint sent = began;
  // An entry that had failed before fails anew after three questions, a second each. A hardware address that changes
  // shows if we look for a moment.
  for (TimePoint now = began; now < began + 3500ms; now = Clock::now()) {
    const bool over = std::all_of(knocks.begin(), knocks.end(), [](const Knock& knock) { return knock.over(); });
    if (over && now >= began + 1s) return;
    ::poll(nullptr, 0, 100);
    const std::vector<net::Neighbour> table = net::neighbours();
    const bool again = now >= sent + 500ms;
    if (again) sent = now;
    for (Knock& knock : knocks) {
      knock.look(table);
      if (again) knock.send();
    }
  }
}

}  // namespace

Look look_at_routes(const Patient& patient, const Findings& so_far, Then then) {
  auto look = [relay = relay_addresses(patient, so_far), bind = patient.there.bind_address,
               wanted = patient.there.bind_interface]() -> Finding {
    RouteFindings found;
    found.wanted = wanted;
    found.defaults = net::default_routes();
    found.rules = net::routing_rules();
    for (const address& to : relay) {
      auto from = source_of(bind, to);
      const std::string belongs = from ? interface_with(from->to_string()) : "";
      if (belongs.empty()) from.reset();  // an address that the device has not is the address layer's business
      RouteFindings::Way way = net::way_to(to, wanted, from);
      if (!wanted.empty()) {
        const RouteFindings::Way free = net::way_to(to, {}, from);
        way.freely = free.error.empty() ? free.interface : "";
      }
      way.source_belongs = belongs;
      found.ways.push_back(std::move(way));
    }
    return found;
  };
  return beside(patient.executor, std::move(look), std::move(then));
}

Look look_at_neighbours(const Patient& patient, const Findings& so_far, Then then) {
  return beside(
      patient.executor,
      [relay = relay_addresses(patient, so_far), interface = patient.there.bind_interface]() -> Finding {
        NeighbourFindings found = gateways_to(relay, interface);
        if (!found.gateways.empty()) knock_at(found);
        return found;
      },
      std::move(then));
}

}  // namespace holdfast::doctor
