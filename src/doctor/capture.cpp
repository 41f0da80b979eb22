#include "doctor/capture.hpp"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <system_error>
#include <utility>
#include <vector>

#include "doctor/segment.hpp"
#include "holdfast/diagnosis.hpp"
#include "net/owned_descriptor.hpp"

namespace holdfast::doctor {
namespace {

constexpr std::size_t head = 128;  // of a packet: no more is looked at
constexpr std::size_t most_segments = 4096;
constexpr int buffer = 4 * 1024 * 1024;

/// tcp[tcpflags] & (tcp-syn|tcp-rst) != 0, of IPv4 and IPv6, from the IP header on.
constexpr std::array<sock_filter, 15> syn_or_rst{{
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
    BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 5),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 9),
    BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
    BPF_STMT(BPF_LD | BPF_B | BPF_IND, 13),
    BPF_JUMP(BPF_JMP | BPF_JA, 4, 0, 0),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 0, 5),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_TCP, 0, 3),
    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 40 + 13),
    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x06, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, head),
    BPF_STMT(BPF_RET | BPF_K, 0),
}};

std::string port_of(const std::string& endpoint) {
  const std::size_t colon = endpoint.rfind(':');
  return colon == std::string::npos ? "" : endpoint.substr(colon + 1);
}

template <typename Kind>
const Kind* find(const Findings& findings, Layer layer) {
  const auto found = findings.find(layer);
  return found == findings.end() ? nullptr : std::get_if<Kind>(&found->second);
}

}  // namespace

std::string capture_command(const Findings& findings) {
  const auto* route = find<RouteFindings>(findings, Layer::route);
  const auto* tcp = find<TcpFindings>(findings, Layer::tcp);
  std::string interface = "any";
  if (route != nullptr && !route->ways.empty() && !route->ways.front().interface.empty())
    interface = route->ways.front().interface;
  const std::string command = "tcpdump -nvi " + interface + " ";
  const std::string opens = "tcp[tcpflags] & (tcp-syn|tcp-rst) != 0";
  if (tcp == nullptr || tcp->tries.empty()) return command + "'" + opens + " or icmp or icmp6'";
  const std::string host = host_of(tcp->tries.front().to);
  const std::string port = port_of(tcp->tries.front().to);
  // Not only what names the relay: an answer may come from elsewhere.
  if (host.find(':') != std::string::npos) return command + "'ip6 and tcp port " + port + " or icmp6'";
  return command + "'tcp port " + port + " and (host " + host + " or " + opens + ") or icmp'";
}

class Capture::Impl {
 public:
  explicit Impl(net::Descriptor socket) : socket_(std::move(socket)) {}

  void drain() {
    std::array<std::uint8_t, head> packet{};
    while (segments_.size() < most_segments) {
      const ssize_t size = ::recv(socket_.get(), packet.data(), packet.size(), MSG_DONTWAIT);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0) return;
      if (const auto segment = parse_segment(std::span(packet).first(static_cast<std::size_t>(size))))
        segments_.push_back(*segment);
    }
  }

  void read_into(TcpFindings::Try& one) const {
    const std::string host = host_of(one.to);
    const std::string port = port_of(one.to);
    const auto is_relays = [&](std::uint16_t number) { return std::to_string(number) == port; };
    std::set<std::uint16_t> ours;
    for (const Segment& segment : segments_) {
      if (segment.syn && !segment.ack && is_relays(segment.to_port) && segment.to.to_string() == host)
        ours.insert(segment.from_port);
    }
    for (const Segment& segment : segments_) {
      const bool answers =
          (segment.rst || segment.ack) && is_relays(segment.from_port) && ours.contains(segment.to_port);
      const bool same_family = segment.from.is_v6() == (host.find(':') != std::string::npos);  // 464XLAT shows both
      if (!answers || !same_family) continue;
      one.answered_from = segment.from.to_string();
      one.ttl = segment.ttl;
      if (one.answered_from != host) return;
    }
  }

 private:
  net::Descriptor socket_;
  std::vector<Segment> segments_;
};

Capture::Capture(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Capture::~Capture() = default;

tl::expected<std::unique_ptr<Capture>, std::string> Capture::begin() {
  const auto failed = [](int error) {
    return tl::unexpected{error == EPERM || error == EACCES ? std::string{"only root may capture (CAP_NET_RAW)"}
                                                            : std::generic_category().message(error)};
  };
  // Without a protocol nothing comes in before the filter stands.
  net::Descriptor socket{::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket) return failed(errno);
  auto filter = syn_or_rst;
  const sock_fprog program{static_cast<unsigned short>(filter.size()), filter.data()};
  if (::setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) return failed(errno);
  ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  sockaddr_ll all{};
  all.sll_family = AF_PACKET;
  all.sll_protocol = htons(ETH_P_ALL);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&all), sizeof all) != 0) return failed(errno);
  return std::unique_ptr<Capture>{new Capture(std::make_unique<Impl>(std::move(socket)))};
}

void Capture::read_into(TcpFindings& findings) {
  impl_->drain();
  findings.captured = true;
  for (TcpFindings::Try& one : findings.tries) impl_->read_into(one);
}

}  // namespace holdfast::doctor
