#include "holdfast/knock_hosts.hpp"

#include <doctest/doctest.h>

using namespace holdfast;

namespace {

KnockHosts hosts_of(const std::string& bind_address, bool by_address = false) {
  return KnockHosts{{bind_address, 4649, TcpTarget{"localhost", 22}}, by_address};
}

using Found = std::optional<KnockFailure>;

}  // namespace

TEST_CASE("localhost, and any address, are asked for by name, then by their addresses; another address as it is") {
  for (const std::string bind_address : {"localhost", ""}) {
    KnockHosts hosts = hosts_of(bind_address);
    CHECK(hosts.current() == "localhost");
    CHECK_FALSE(hosts.by_address());
    CHECK(hosts.failed(KnockFailure::not_connected, "Name or service not known") == std::nullopt);
    CHECK(hosts.current() == "127.0.0.1");
    CHECK(hosts.by_address());
    CHECK(hosts.failed(KnockFailure::not_connected, "") == std::nullopt);
    CHECK(hosts.current() == "::1");
  }
  for (const std::string address : {"127.0.0.1", "::1", "0.0.0.0", "192.0.2.1"}) {
    KnockHosts hosts = hosts_of(address, true);
    CHECK(hosts.current() == address);
    CHECK_FALSE(hosts.by_address());
    CHECK(hosts.failed(KnockFailure::not_connected, "No route to host") == KnockFailure::not_connected);
    CHECK(hosts.in_words() == "did not connect to " + address + " (No route to host)");
  }
}

TEST_CASE("what the relay clearly says about the name is the answer") {
  for (const KnockFailure clear : {KnockFailure::nobody_listens, KnockFailure::not_permitted}) {
    KnockHosts hosts = hosts_of("localhost");
    CHECK(hosts.failed(clear, "") == clear);
    CHECK(hosts.in_words().empty());
  }
}

TEST_CASE("after a name that can't be looked up the most telling answer counts") {
  KnockHosts hosts = hosts_of("localhost");
  REQUIRE(hosts.failed(KnockFailure::not_connected, "Try again") == std::nullopt);
  KnockFailure first{};
  KnockFailure second{};
  Found found;
  std::string words;
  SUBCASE("nobody listens on either address") {
    first = second = KnockFailure::nobody_listens;
    found = KnockFailure::nobody_listens;
  }
  SUBCASE("nobody listens on one, and the relay has no IPv6") {
    first = KnockFailure::nobody_listens;
    second = KnockFailure::not_connected;
    found = KnockFailure::nobody_listens;
  }
  SUBCASE("only the name is permitted: nothing is known") {
    first = second = KnockFailure::not_permitted;
    found = KnockFailure::no_lookup;
    words = "can't look up localhost (Try again)";
  }
  SUBCASE("it did not connect to an address either, which needs no lookup") {
    first = KnockFailure::not_connected;
    second = KnockFailure::not_permitted;
    found = KnockFailure::not_connected;
    words = "did not connect to 127.0.0.1 (Too many open files)";
  }
  REQUIRE(hosts.failed(first, "Too many open files") == std::nullopt);
  CHECK(hosts.failed(second, "open failed") == found);
  CHECK(hosts.in_words() == words);
}

TEST_CASE("a name that is not localhost has no other address: nothing is known") {
  KnockHosts hosts = hosts_of("relay.lan");
  CHECK(hosts.failed(KnockFailure::not_connected, "Name does not resolve") == KnockFailure::no_lookup);
  CHECK(hosts.in_words() == "can't look up relay.lan (Name does not resolve)");
}

TEST_CASE("a relay that could not look the name up is asked for the addresses only") {
  KnockHosts hosts = hosts_of("localhost", true);
  CHECK(hosts.current() == "127.0.0.1");
  CHECK(hosts.by_address());
  CHECK(hosts.failed(KnockFailure::nobody_listens, "") == std::nullopt);
  CHECK(hosts.current() == "::1");
  CHECK(hosts.failed(KnockFailure::nobody_listens, "") == KnockFailure::nobody_listens);
}
