#include "doctor/capture.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "doctor/segment.hpp"

using namespace holdfast;
using namespace holdfast::doctor;

namespace {

using Packet = std::vector<std::uint8_t>;

/// From port 22 to port 40000.
const Packet syn_ack{0, 22, 0x9c, 0x40, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 3, 0xe8, 0, 0, 0, 0};

Packet v4_packet() {
  Packet packet{0x45, 0, 0, 40, 0, 0, 0x40, 0, 63, 6, 0, 0, 198, 51, 100, 2, 10, 64, 0, 2};
  packet.insert(packet.end(), syn_ack.begin(), syn_ack.end());
  return packet;
}

Findings findings(const std::string& to) {
  RouteFindings route;
  route.ways.emplace_back();
  route.ways.back().interface = "wwan0";
  TcpFindings tcp;
  tcp.tries.emplace_back();
  tcp.tries.back().to = to;
  return {{Layer::route, route}, {Layer::tcp, tcp}};
}

}  // namespace

TEST_CASE("the head of a TCP segment is read") {
  const auto segment = parse_segment(v4_packet());
  REQUIRE(segment);
  CHECK(segment->from.to_string() == "198.51.100.2");
  CHECK(segment->to.to_string() == "10.64.0.2");
  CHECK(segment->from_port == 22);
  CHECK(segment->to_port == 40000);
  CHECK(segment->ttl == 63);
  CHECK(segment->syn);
  CHECK(segment->ack);
  CHECK_FALSE(segment->rst);
}

TEST_CASE("over IPv6 as well") {
  Packet packet{0x60, 0, 0, 0, 0, 20, 6, 60};
  for (std::uint8_t byte = 0; byte < 32; ++byte) packet.push_back(byte);
  packet.insert(packet.end(), syn_ack.begin(), syn_ack.end());
  const auto segment = parse_segment(packet);
  REQUIRE(segment);
  CHECK(segment->ttl == 60);
  CHECK(segment->from_port == 22);
  CHECK(segment->from.is_v6());
}

TEST_CASE("what is no segment, or only a part of one, is not read") {
  Packet cut = v4_packet();
  cut.pop_back();
  CHECK_FALSE(parse_segment(cut));
  Packet udp = v4_packet();
  udp[9] = 17;
  CHECK_FALSE(parse_segment(udp));
  Packet fragment = v4_packet();
  fragment[7] = 5;
  CHECK_FALSE(parse_segment(fragment));
  CHECK_FALSE(parse_segment({}));
}

TEST_CASE("the command to watch names the interface and the port, and takes an answer from anybody") {
  CHECK(capture_command(findings("198.51.100.2:22")) ==
        "tcpdump -nvi wwan0 'tcp port 22 and (host 198.51.100.2 or tcp[tcpflags] & (tcp-syn|tcp-rst) != 0) or icmp'");
  CHECK(capture_command(findings("[2001:db8::1]:2222")) == "tcpdump -nvi wwan0 'ip6 and tcp port 2222 or icmp6'");
  CHECK(capture_command({}).starts_with("tcpdump -nvi any '"));
}
