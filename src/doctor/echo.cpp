#include "doctor/echo.hpp"

#include <linux/errqueue.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/udp.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>

namespace holdfast::doctor {
namespace {

using boost::asio::ip::address;
using boost::asio::ip::udp;

constexpr std::size_t header_size = 8;
constexpr std::size_t v4_header = 20;
constexpr std::size_t v6_header = 40;
constexpr std::size_t largest = 65536;

void set(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

std::uint16_t checksum(const std::vector<std::uint8_t>& bytes) {
  std::uint32_t sum = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 2)
    sum += bytes[at] * 256U + (at + 1 < bytes.size() ? bytes[at + 1] : 0U);
  while (sum > 0xffff) sum = (sum & 0xffffU) + (sum >> 16U);
  return static_cast<std::uint16_t>(~sum);
}

address address_of(const sockaddr_storage& from) {
  udp::endpoint endpoint;
  const socklen_t size = from.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  std::memcpy(endpoint.data(), &from, size);
  endpoint.resize(size);
  return endpoint.address();
}

/// What an ICMP error says, as ping(8) words it.
std::string v4_words(unsigned type, unsigned code) {
  if (type == ICMP_TIME_EXCEEDED) return "Time to live exceeded";
  if (type != ICMP_DEST_UNREACH) return "ICMP type " + std::to_string(type);
  switch (code) {
    case ICMP_NET_UNREACH:
      return "Destination Net Unreachable";
    case ICMP_HOST_UNREACH:
      return "Destination Host Unreachable";
    case ICMP_PORT_UNREACH:
      return "Destination Port Unreachable";
    case ICMP_FRAG_NEEDED:
      return "Frag needed and DF set";
    case ICMP_NET_ANO:
    case ICMP_HOST_ANO:
    case ICMP_PKT_FILTERED:
      return "Packet filtered";
    default:
      return "Destination unreachable, code " + std::to_string(code);
  }
}

std::string v6_words(unsigned type, unsigned code) {
  if (type == ICMP6_TIME_EXCEEDED) return "Time exceeded: Hop limit";
  if (type == ICMP6_PACKET_TOO_BIG) return "Packet too big";
  if (type != ICMP6_DST_UNREACH) return "ICMPv6 type " + std::to_string(type);
  switch (code) {
    case ICMP6_DST_UNREACH_NOROUTE:
      return "Destination unreachable: No route";
    case ICMP6_DST_UNREACH_ADMIN:
      return "Destination unreachable: Administratively prohibited";
    case ICMP6_DST_UNREACH_ADDR:
      return "Destination unreachable: Address unreachable";
    case ICMP6_DST_UNREACH_NOPORT:
      return "Destination unreachable: Port unreachable";
    default:
      return "Destination unreachable, code " + std::to_string(code);
  }
}

bool is_prohibition(bool v6, unsigned type, unsigned code) {
  if (v6) return type == ICMP6_DST_UNREACH && (code == ICMP6_DST_UNREACH_ADMIN || code == 5 || code == 6);
  return type == ICMP_DEST_UNREACH && (code == ICMP_PORT_UNREACH || code == ICMP_NET_ANO || code == ICMP_HOST_ANO ||
                                       code == ICMP_PKT_FILTERED || code == ICMP_PREC_VIOLATION);
}

}  // namespace

EchoSocket::EchoSocket(bool v6, const Options& options) : v6_(v6) {
  const int family = v6 ? AF_INET6 : AF_INET;
  const int protocol = v6 ? static_cast<int>(IPPROTO_ICMPV6) : static_cast<int>(IPPROTO_ICMP);
  socket_ = net::Descriptor{::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)};
  if (!socket_) {
    socket_ = net::Descriptor{::socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol)};
    raw_ = true;
  }
  if (!socket_) {
    problem_ = errno == EPERM || errno == EACCES
                   ? "no echo may be sent here (net.ipv4.ping_group_range, or CAP_NET_RAW)"
                   : "no echo can be sent: " + std::generic_category().message(errno);
    return;
  }
  const int fd = socket_.get();
  set(fd, v6 ? static_cast<int>(IPPROTO_IPV6) : static_cast<int>(IPPROTO_IP), v6 ? IPV6_RECVERR : IP_RECVERR, 1);
  if (v6) {
    set(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
    set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
  } else {
    set(fd, IPPROTO_IP, IP_RECVTTL, 1);
    set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
  }
  const auto& name = options.interface;
  if (!name.empty() &&
      ::setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name.data(), static_cast<socklen_t>(name.size())) != 0) {
    problem_ = "no echo can leave by " + name + ": " + std::generic_category().message(errno);
    return;
  }
  boost::system::error_code error;
  const address ours = options.address.empty() ? address{} : boost::asio::ip::make_address(options.address, error);
  if (!options.address.empty() && !error && ours.is_v6() == v6) {
    const udp::endpoint endpoint(ours, 0);
    if (::bind(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0)
      problem_ = "no echo can leave from " + options.address + ": " + std::generic_category().message(errno);
  }
  if (raw_) {
    while (::getrandom(&id_, sizeof id_, 0) < 0 && errno == EINTR) {
    }
  }
}

int EchoSocket::send(const address& to, std::uint16_t number, std::size_t size, unsigned hops) {
  const std::size_t ours = size - std::min(size, (v6_ ? v6_header : v4_header));
  std::vector<std::uint8_t> message(std::max(ours, header_size));
  message[0] = v6_ ? static_cast<std::uint8_t>(ICMP6_ECHO_REQUEST) : static_cast<std::uint8_t>(ICMP_ECHO);
  message[4] = static_cast<std::uint8_t>(id_ >> 8U);
  message[5] = static_cast<std::uint8_t>(id_);
  message[6] = static_cast<std::uint8_t>(number >> 8U);
  message[7] = static_cast<std::uint8_t>(number);
  if (!v6_) {
    const std::uint16_t sum = checksum(message);
    message[2] = static_cast<std::uint8_t>(sum >> 8U);
    message[3] = static_cast<std::uint8_t>(sum);
  }
  const int fd = socket_.get();
  const int limit = hops == 0 ? -1 : static_cast<int>(hops);  // -1: the default
  if (v6_) {
    set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, limit);
  } else {
    set(fd, IPPROTO_IP, IP_TTL, limit);
  }
  const udp::endpoint endpoint(to, 0);
  const auto length = static_cast<socklen_t>(endpoint.size());
  const ssize_t sent = ::sendto(fd, message.data(), message.size(), MSG_NOSIGNAL, endpoint.data(), length);
  if (sent >= 0) return 0;
  // An error that an earlier one met is told by the next call, whichever that is.
  return ::sendto(fd, message.data(), message.size(), MSG_NOSIGNAL, endpoint.data(), length) < 0 ? errno : 0;
}

/// The sequence number of an ICMP message that is ours; none of any other.
std::optional<std::uint16_t> EchoSocket::number_of(const std::vector<std::uint8_t>& message, std::size_t size,
                                                   bool question) {
  const unsigned answer = v6_ ? static_cast<unsigned>(ICMP6_ECHO_REPLY) : static_cast<unsigned>(ICMP_ECHOREPLY);
  const unsigned asked = v6_ ? static_cast<unsigned>(ICMP6_ECHO_REQUEST) : static_cast<unsigned>(ICMP_ECHO);
  if (size < header_size || message[0] != (question ? asked : answer)) return std::nullopt;
  if (raw_ && (message[4] != id_ >> 8U || message[5] != (id_ & 0xffU))) return std::nullopt;
  return static_cast<std::uint16_t>(message[6] * 256U + message[7]);
}

std::optional<EchoNews> EchoSocket::read_answer() {
  std::vector<std::uint8_t> message(largest);
  sockaddr_storage from{};
  alignas(cmsghdr) std::array<char, 256> control{};
  iovec part{message.data(), message.size()};
  msghdr header{};
  header.msg_name = &from;
  header.msg_namelen = sizeof from;
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t size = ::recvmsg(socket_.get(), &header, MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  if (raw_ && !v6_ && size > 0) {  // it comes with its IP header
    const auto ip_header = static_cast<ssize_t>(message[0] & 0x0fU) * 4;
    if (size < ip_header) return EchoNews{};
    message.erase(message.begin(), message.begin() + ip_header);
    size -= ip_header;
  }
  const auto number = number_of(message, static_cast<std::size_t>(size), false);
  EchoNews news;
  if (!number) return news;
  news.number = *number;
  news.from = address_of(from);
  news.at = Clock::now();
  for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
    const bool is_ttl = (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_TTL) ||
                        (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_HOPLIMIT);
    int ttl = 0;
    if (is_ttl) std::memcpy(&ttl, CMSG_DATA(each), sizeof ttl);
    if (is_ttl) news.ttl = static_cast<unsigned>(ttl);
  }
  return news;
}

std::optional<EchoNews> EchoSocket::read_error() {
  std::vector<std::uint8_t> message(largest);
  alignas(cmsghdr) std::array<char, 512> control{};
  iovec part{message.data(), message.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t size = ::recvmsg(socket_.get(), &header, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (size < 0) return std::nullopt;
  EchoNews news;
  const auto number = number_of(message, static_cast<std::size_t>(size), true);
  for (cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr && number; each = CMSG_NXTHDR(&header, each)) {
    const bool is_error = (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_RECVERR) ||
                          (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_RECVERR);
    if (!is_error || each->cmsg_len < CMSG_LEN(sizeof(sock_extended_err))) continue;
    sock_extended_err error{};
    std::memcpy(&error, CMSG_DATA(each), sizeof error);
    news.number = *number;
    news.at = Clock::now();
    news.from_here = error.ee_origin == SO_EE_ORIGIN_LOCAL;
    if (news.from_here) {
      news.refusal = std::generic_category().message(static_cast<int>(error.ee_errno));
      continue;
    }
    news.refusal = v6_ ? v6_words(error.ee_type, error.ee_code) : v4_words(error.ee_type, error.ee_code);
    if (is_prohibition(v6_, error.ee_type, error.ee_code) && news.refusal.find("prohibited") == std::string::npos)
      news.refusal += " (prohibited)";
    sockaddr_storage from{};
    const std::size_t whole = each->cmsg_len - CMSG_LEN(0);
    const std::size_t behind = std::min(whole - sizeof error, v6_ ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
    std::memcpy(&from, CMSG_DATA(each) + sizeof error, behind);
    if (from.ss_family == AF_INET || from.ss_family == AF_INET6) news.from = address_of(from);
  }
  return news;
}

std::vector<EchoNews> EchoSocket::wait(TimePoint until) {
  std::vector<EchoNews> all;
  while (true) {
    const auto keep = [&](std::optional<EchoNews> news) {
      if (news && news->at != TimePoint{}) all.push_back(std::move(*news));
      return news.has_value();
    };
    for (int most = 0; most < 64 && keep(read_error()); ++most) {
    }
    for (int most = 0; most < 64 && keep(read_answer()); ++most) {
    }
    const TimePoint now = Clock::now();
    if (!all.empty() || now >= until) return all;
    pollfd ready{socket_.get(), POLLIN, 0};
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(until - now).count();
    if (::poll(&ready, 1, static_cast<int>(rest)) < 0 && errno != EINTR) return all;
  }
}

std::optional<EchoNews> ask_for_echo(const address& to, const EchoSocket::Options& options, unsigned hops,
                                     Duration patience) {
  EchoSocket socket(to.is_v6(), options);
  if (!socket.problem().empty()) return std::nullopt;
  for (std::uint16_t number = 1; number <= 3; ++number) {
    if (socket.send(to, number, EchoSocket::smallest(to.is_v6()), hops) != 0) return std::nullopt;
    const auto news = socket.wait(Clock::now() + patience / 3);
    if (!news.empty()) return news.front();
  }
  return std::nullopt;
}

}  // namespace holdfast::doctor
