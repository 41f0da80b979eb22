#include "net/routing.hpp"

#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <memory>
#include <system_error>

#include "net/netlink_message.hpp"
#include "net/network_snapshot.hpp"

namespace holdfast::net {
namespace {

namespace ip = boost::asio::ip;
using namespace netlink;

/// The kernel makes no dump's datagram larger.
constexpr std::size_t buffer_size = 32768;
/// Datagrams of one dump; of a machine with more routes than fit, the first are read.
constexpr int most_datagrams = 1000;

struct CloseSocket {
  void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
};
using Take = std::function<void(const nlmsghdr& message)>;

/// One question, and each message of its answer. 0, or the errno that the kernel gave.
class Question {
 public:
  Question(std::uint16_t type, std::uint16_t flags) : buffer_(buffer_size) {
    header_ = mnl_nlmsg_put_header(buffer_.data());
    header_->nlmsg_type = type;
    header_->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    header_->nlmsg_seq = 1;
  }

  template <typename Header>
  Header& extra() {
    return *static_cast<Header*>(mnl_nlmsg_put_extra_header(header_, sizeof(Header)));
  }
  void put(std::uint16_t type, std::uint32_t value) { mnl_attr_put_u32(header_, type, value); }
  void put(std::uint16_t type, const ip::address& address) {
    if (address.is_v4()) {
      const auto bytes = address.to_v4().to_bytes();
      mnl_attr_put(header_, type, bytes.size(), bytes.data());
    } else {
      const auto bytes = address.to_v6().to_bytes();
      mnl_attr_put(header_, type, bytes.size(), bytes.data());
    }
  }

  int ask(const Take& take) {
    const std::unique_ptr<mnl_socket, CloseSocket> socket(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (!socket || mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) != 0) return errno;
    // The kernel answers from inside the call; this is for a kernel that does not.
    timeval patience{1, 0};
    ::setsockopt(mnl_socket_get_fd(socket.get()), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const bool dump = (header_->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    if (mnl_socket_sendto(socket.get(), header_, header_->nlmsg_len) < 0) return errno;
    for (int datagram = 0; datagram < most_datagrams; ++datagram) {
      const ssize_t size = mnl_socket_recvfrom(socket.get(), buffer_.data(), buffer_.size());
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) return size < 0 ? errno : EIO;
      for (const nlmsghdr* message : messages_of(std::span(buffer_).first(static_cast<std::size_t>(size)))) {
        if (message->nlmsg_type == NLMSG_DONE) return 0;
        if (message->nlmsg_type == NLMSG_ERROR) {
          const auto error = read<nlmsgerr>(behind(bytes_of(message, message->nlmsg_len), sizeof *message));
          return error ? -error->error : EIO;
        }
        take(*message);
        if (!dump) return 0;
      }
    }
    return 0;
  }

 private:
  std::vector<std::byte> buffer_;
  nlmsghdr* header_;
};

std::string name_of(unsigned index) {
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(index, name.data()) == nullptr) return "link " + std::to_string(index);
  return printable(bytes_of(name.data(), name.size()));
}

/// The first next hop of a route that several share, else the route's own attributes.
std::pair<unsigned, std::string> next_hop(int family, const Attributes& attributes) {
  const auto shared = attributes.find(RTA_MULTIPATH);
  if (shared != attributes.end()) {
    const auto hop = read<rtnexthop>(shared->second);
    if (hop && hop->rtnh_len >= sizeof *hop && hop->rtnh_len <= shared->second.size()) {
      return {static_cast<unsigned>(hop->rtnh_ifindex),
              gateway_of(family, attributes_of(shared->second.first(hop->rtnh_len).subspan(sizeof *hop)))};
    }
  }
  return {read<std::uint32_t>(attributes, RTA_OIF).value_or(0), gateway_of(family, attributes)};
}

std::string prefix_text(int family, const Attributes& attributes, unsigned type, unsigned length) {
  const auto address = to_address(family, attributes, type);
  return address ? address->to_string() + "/" + std::to_string(length) : "all";
}

std::string hexadecimal(std::uint32_t value) {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%x", value);
  return text.data();
}

/// Those of the kernel: 0 for the table "local", 32766 for "main", 32767 for "default".
bool is_kernels_own(std::uint32_t priority, std::uint32_t table) {
  return (priority == 0 && table == RT_TABLE_LOCAL) || (priority == 32766 && table == RT_TABLE_MAIN) ||
         (priority == 32767 && table == RT_TABLE_DEFAULT);
}

std::string action_text(const fib_rule_hdr& header, std::uint32_t table) {
  switch (header.action) {
    case FR_ACT_TO_TBL:
      return "lookup " + (table == RT_TABLE_MAIN ? std::string{"main"} : std::to_string(table));
    case FR_ACT_BLACKHOLE:
      return "blackhole";
    case FR_ACT_UNREACHABLE:
      return "unreachable";
    case FR_ACT_PROHIBIT:
      return "prohibit";
    default:
      return "action " + std::to_string(header.action);
  }
}

/// Empty for one of the kernel's own.
std::string rule_text(const fib_rule_hdr& header, const Attributes& attributes) {
  const auto priority = read<std::uint32_t>(attributes, FRA_PRIORITY).value_or(0);
  const auto table = read<std::uint32_t>(attributes, FRA_TABLE).value_or(header.table);
  if (header.action == FR_ACT_TO_TBL && is_kernels_own(priority, table)) return {};
  std::string text = std::to_string(priority) + ":";
  if ((header.flags & FIB_RULE_INVERT) != 0) text += " not";
  text += " from " + prefix_text(header.family, attributes, FRA_SRC, header.src_len);
  if (header.dst_len > 0) text += " to " + prefix_text(header.family, attributes, FRA_DST, header.dst_len);
  for (const auto& [type, word] : {std::pair{FRA_IIFNAME, " iif "}, std::pair{FRA_OIFNAME, " oif "}}) {
    if (const auto name = attributes.find(type); name != attributes.end()) text += word + printable(name->second);
  }
  if (const auto mark = read<std::uint32_t>(attributes, FRA_FWMARK); mark && *mark != 0)
    text += " fwmark " + hexadecimal(*mark);
  return text + " " + action_text(header, table);
}

std::string state_text(unsigned state) {
  switch (state) {
    case NUD_INCOMPLETE:
      return "incomplete";
    case NUD_REACHABLE:
      return "reachable";
    case NUD_STALE:
      return "stale";
    case NUD_DELAY:
      return "delay";
    case NUD_PROBE:
      return "probe";
    case NUD_FAILED:
      return "failed";
    case NUD_NOARP:
      return "noarp";
    case NUD_PERMANENT:
      return "permanent";
    default:
      return "none";
  }
}

std::string link_address_text(const Attributes& attributes) {
  const auto found = attributes.find(NDA_LLADDR);
  std::string text;
  if (found == attributes.end()) return text;
  for (const std::byte byte : found->second) {
    std::array<char, 4> two{};
    std::snprintf(two.data(), two.size(), "%02x", static_cast<unsigned>(byte));
    text += (text.empty() ? "" : ":") + std::string{two.data()};
  }
  return text;
}

RouteFindings::Way ask_for_way(const ip::address& to, unsigned interface, const std::optional<ip::address>& from,
                               std::uint32_t flags) {
  RouteFindings::Way way;
  way.to = to.to_string();
  Question question(RTM_GETROUTE, 0);
  auto& header = question.extra<rtmsg>();
  const int family = to.is_v4() ? AF_INET : AF_INET6;
  header.rtm_family = static_cast<unsigned char>(family);
  header.rtm_dst_len = to.is_v4() ? 32 : 128;
  header.rtm_src_len = from ? header.rtm_dst_len : 0;
  header.rtm_flags = flags;
  question.put(RTA_DST, to);
  if (from) question.put(RTA_SRC, *from);
  if (interface != 0) question.put(RTA_OIF, interface);
  const int error = question.ask([&](const nlmsghdr& message) {
    const auto parsed = parse<rtmsg>(message);
    if (!parsed || message.nlmsg_type != RTM_NEWROUTE) return;
    const auto& [answer, attributes] = *parsed;
    // IPv6 answers with the route, whatever it is.
    if (answer.rtm_type == RTN_UNREACHABLE) way.error = std::generic_category().message(EHOSTUNREACH);
    if (answer.rtm_type == RTN_PROHIBIT) way.error = std::generic_category().message(EACCES);
    if (answer.rtm_type == RTN_BLACKHOLE) way.error = std::generic_category().message(EINVAL);
    const auto [link, gateway] = next_hop(family, attributes);
    way.interface = link == 0 ? "" : name_of(link);
    way.gateway = gateway;
    const auto source = to_address(family, attributes, RTA_PREFSRC);
    way.source = source ? source->to_string() : from ? from->to_string() : "";
  });
  if (error != 0) way.error = std::generic_category().message(error);
  return way;
}

}  // namespace

std::vector<RouteFindings::Default> default_routes() {
  std::vector<RouteFindings::Default> routes;
  Question question(RTM_GETROUTE, NLM_F_DUMP);
  question.extra<rtmsg>();
  question.ask([&](const nlmsghdr& message) {
    const auto parsed = parse<rtmsg>(message);
    if (!parsed || message.nlmsg_type != RTM_NEWROUTE) return;
    const auto& [header, attributes] = *parsed;
    const bool leads_out = (header.rtm_family == AF_INET || header.rtm_family == AF_INET6) && header.rtm_dst_len == 0 &&
                           header.rtm_src_len == 0 && header.rtm_tos == 0 && header.rtm_type == RTN_UNICAST &&
                           (header.rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD | RTNH_F_LINKDOWN)) == 0;
    if (!leads_out) return;
    RouteFindings::Default route;
    route.family = header.rtm_family == AF_INET ? "IPv4" : "IPv6";
    route.table = read<std::uint32_t>(attributes, RTA_TABLE).value_or(header.rtm_table);
    route.metric = read<std::uint32_t>(attributes, RTA_PRIORITY).value_or(0);
    const auto [link, gateway] = next_hop(header.rtm_family, attributes);
    route.interface = name_of(link);
    route.gateway = gateway;
    if (route.interface != "lo") routes.push_back(std::move(route));  // IPv6's own, which leads nowhere
  });
  return routes;
}

std::vector<std::string> routing_rules() {
  std::vector<std::string> rules;
  Question question(RTM_GETRULE, NLM_F_DUMP);
  question.extra<fib_rule_hdr>();
  question.ask([&](const nlmsghdr& message) {
    const auto parsed = parse<fib_rule_hdr>(message);
    if (!parsed || message.nlmsg_type != RTM_NEWRULE) return;
    const int family = parsed->first.family;
    if (family != AF_INET && family != AF_INET6) return;  // multicast has rules of its own
    std::string text = rule_text(parsed->first, parsed->second);
    if (!text.empty()) rules.push_back(std::move(text));
  });
  return rules;
}

RouteFindings::Way way_to(const ip::address& to, const std::string& interface, const std::optional<ip::address>& from) {
  const unsigned index = interface.empty() ? 0 : ::if_nametoindex(interface.c_str());
  RouteFindings::Way way;
  if (!interface.empty() && index == 0) {
    way.to = to.to_string();
    way.error = "there is no interface " + interface;
    return way;
  }
  way = ask_for_way(to, index, from, 0);
  // Where no route leads out of the interface that was named, the kernel takes IPv4's destination for a neighbour.
  if (index != 0 && to.is_v4() && way.error.empty() && way.gateway.empty()) {
    way.error = ask_for_way(to, index, from, RTM_F_FIB_MATCH).error;
  }
  return way;
}

std::vector<Neighbour> neighbours() {
  std::vector<Neighbour> found;
  Question question(RTM_GETNEIGH, NLM_F_DUMP);
  question.extra<ndmsg>();
  question.ask([&](const nlmsghdr& message) {
    const auto parsed = parse<ndmsg>(message);
    if (!parsed || message.nlmsg_type != RTM_NEWNEIGH) return;
    const auto& [header, attributes] = *parsed;
    const auto address = to_address(header.ndm_family, attributes, NDA_DST);
    if (!address) return;
    found.push_back({*address, name_of(static_cast<unsigned>(header.ndm_ifindex)), state_text(header.ndm_state),
                     link_address_text(attributes)});
  });
  return found;
}

}  // namespace holdfast::net
