#include "net/dns_message.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace holdfast::net;

namespace {

using Message = std::vector<std::uint8_t>;

constexpr std::uint16_t id = 0x1234;

/// An answer to a question, with these records behind it.
Message answer(const std::string& name, DnsType type, unsigned code, const std::vector<Message>& records) {
  Message message = dns_question(id, name, type);
  message[2] = 0x81;
  message[3] = static_cast<std::uint8_t>(0x80U | code);
  message[7] = static_cast<std::uint8_t>(records.size());
  for (const Message& record : records) message.insert(message.end(), record.begin(), record.end());
  return message;
}

/// Of the name that was asked for, a minute old.
Message record(unsigned type, const Message& data) {
  Message record{0xc0, 12, 0, static_cast<std::uint8_t>(type),       0, 1, 0, 0,
                 0,    60, 0, static_cast<std::uint8_t>(data.size())};
  record.insert(record.end(), data.begin(), data.end());
  return record;
}

}  // namespace

TEST_CASE("a question is what RFC 1035 says") {
  CHECK(dns_question(id, "a.bc", DnsType::aaaa) ==
        Message{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 'a', 2, 'b', 'c', 0, 0, 28, 0, 1});
  CHECK(dns_question(id, "a.bc.", DnsType::a) == dns_question(id, "a.bc", DnsType::a));
}

TEST_CASE("a name that can't be asked for has no question") {
  for (const std::string& name : {std::string{}, std::string{"."}, std::string{"a..b"}, std::string(64, 'a'),
                                  std::string(254, '.'), std::string(60, 'a') + "." + std::string(200, 'b')})
    CHECK(dns_question(id, name, DnsType::a).empty());
}

TEST_CASE("an answer's addresses are read, behind an alias too") {
  const Message alias{1, 'x', 0xc0, 12};
  const auto read = parse_dns_answer(
      answer("relay.lab", DnsType::a, 0, {record(5, alias), record(1, {198, 51, 100, 2}), record(16, {1, 'x'})}), id,
      "relay.lab", DnsType::a);
  REQUIRE(read);
  CHECK(read->code == 0);
  REQUIRE(read->addresses.size() == 1);
  CHECK(read->addresses.front().to_string() == "198.51.100.2");
}

TEST_CASE("an IPv6 address is read, and only where it was asked for") {
  const Message data{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  const auto read = parse_dns_answer(answer("relay.lab", DnsType::aaaa, 0, {record(28, data), record(1, {1, 2, 3, 4})}),
                                     id, "relay.lab", DnsType::aaaa);
  REQUIRE(read);
  REQUIRE(read->addresses.size() == 1);
  CHECK(read->addresses.front().to_string() == "2001:db8::1");
}

TEST_CASE("what a server says without an address is told") {
  for (const unsigned code : {dns_servfail, dns_nxdomain, dns_refused}) {
    const auto read = parse_dns_answer(answer("relay.lab", DnsType::a, code, {}), id, "relay.lab", DnsType::a);
    REQUIRE(read);
    CHECK(read->code == code);
    CHECK(read->addresses.empty());
  }
  CHECK(dns_code_text(dns_servfail) == "SERVFAIL");
  CHECK(dns_code_text(11) == "code 11");
}

TEST_CASE("a refusal may leave the question out, an address may not") {
  Message bare(12);
  bare[0] = 0x12;
  bare[1] = 0x34;
  bare[2] = 0x80;
  bare[3] = 5;
  CHECK(parse_dns_answer(bare, id, "relay.lab", DnsType::a));
  bare[3] = 0;
  CHECK_FALSE(parse_dns_answer(bare, id, "relay.lab", DnsType::a));
}

TEST_CASE("what answers another question, or none, is not taken") {
  const Message good = answer("relay.lab", DnsType::a, 0, {record(1, {198, 51, 100, 2})});
  CHECK(parse_dns_answer(good, id, "RELAY.lab", DnsType::a));
  CHECK_FALSE(parse_dns_answer(good, id + 1, "relay.lab", DnsType::a));
  CHECK_FALSE(parse_dns_answer(good, id, "relay.lan", DnsType::a));
  CHECK_FALSE(parse_dns_answer(good, id, "relay.lab", DnsType::aaaa));
  CHECK_FALSE(parse_dns_answer(dns_question(id, "relay.lab", DnsType::a), id, "relay.lab", DnsType::a));
}

TEST_CASE("an answer that was cut short says so") {
  Message message = answer("relay.lab", DnsType::a, 0, {});
  message[2] |= 2U;
  CHECK(parse_dns_answer(message, id, "relay.lab", DnsType::a)->truncated);
}

TEST_CASE("of resolv.conf the first three servers and the last search line count") {
  const ResolvConf conf = parse_resolv_conf(
      "# nameserver 9.9.9.9\nsearch old.example\nnameserver 192.0.2.1 ; the first\n nameserver\t2001:db8::53\n"
      "nameserver nonsense\nnameserver 192.0.2.3\nnameserver 192.0.2.4\nsearch a.example b.example");
  REQUIRE(conf.servers.size() == 3);
  CHECK(conf.servers[1].to_string() == "2001:db8::53");
  CHECK(conf.servers[2].to_string() == "192.0.2.3");
  CHECK(conf.search == std::vector<std::string>{"a.example", "b.example"});
}

TEST_CASE("hosts knows a name by any of its words but the address") {
  constexpr const char* hosts = "127.0.0.1 localhost\n198.51.100.2\tRelay.lab relay # old.lab\n";
  CHECK(hosts_name(hosts, "relay.LAB"));
  CHECK(hosts_name(hosts, "relay"));
  CHECK_FALSE(hosts_name(hosts, "old.lab"));
  CHECK_FALSE(hosts_name(hosts, "198.51.100.2"));
}
