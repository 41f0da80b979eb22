// In a network namespace of the test's own: needs root, and is skipped otherwise (tests/lab/availability.cpp).
#include "net/network_watcher.hpp"

#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "integration/net/loop.hpp"
#include "lab/host.hpp"

using namespace holdfast;
using namespace holdfast::net;
using holdfast::lab::Host;
using holdfast::lab::InNetwork;
using holdfast::test::run_until;
using namespace std::chrono_literals;

namespace {

/// A machine with a wire, eth0, whose other end is far0, and the address and default route that a DHCP client would
/// have given it; and its watcher.
struct Machine {
  Machine() : here(host) {
    host.ip(
        "link add eth0 type veth peer name far0\nlink set far0 up\nlink set eth0 up\naddr add 192.0.2.7/24 dev eth0\n"
        "route add default via 192.0.2.1 metric 100\n");
    watcher.emplace(
        loop.get_executor(),
        [this](const NetworkChange& change) {
          changes.push_back(change);
          last = Clock::now();
        },
        [this](const std::string& why) { troubles.push_back(why); });
  }

  /// What is told of this, and nothing after it within a second.
  std::vector<NetworkChange> told_of(const std::string& commands) {
    host.ip(commands);
    started = Clock::now();
    return told();
  }
  std::vector<NetworkChange> told() {
    changes.clear();
    CHECK_FALSE(run_until(
        loop, [&] { return changes.size() > 1; }, 1200ms));
    CHECK(troubles.empty());
    return changes;
  }

  Host host;
  InNetwork here;
  boost::asio::io_context loop;
  std::optional<NetworkWatcher> watcher;
  std::vector<NetworkChange> changes;
  std::vector<std::string> troubles;
  TimePoint started;
  TimePoint last;
};

boost::asio::ip::address ip(const char* text) {
  return boost::asio::ip::make_address(text);
}

}  // namespace

TEST_CASE("what is there when the watcher starts is no news") {
  Machine machine;
  CHECK(machine.told().empty());
  REQUIRE(dump_network());
  CHECK(dump_network()->addresses.count({dump_network()->addresses.rbegin()->link, ip("192.0.2.7"), false}) == 1);
}

TEST_CASE("a carrier that goes is no news, and one that comes back is, soon") {
  Machine machine;
  CHECK(machine.told_of("link set far0 down\n").empty());
  const auto changes = machine.told_of("link set far0 up\n");
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].gained);
  CHECK(changes[0].gone.empty());
  CHECK(changes[0].what == "eth0 has 192.0.2.7; default route by 192.0.2.1 over eth0");
  CHECK(machine.last - machine.started < 1s);
}

TEST_CASE("a link that is set down and up again has its address, and its default route when that is back") {
  Machine machine;
  CHECK(machine.told_of("link set eth0 down\n").empty());
  REQUIRE(machine.told_of("link set eth0 up\n").size() == 1);
  const auto changes = machine.told_of("route add default via 192.0.2.1 metric 100\n");
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].what == "default route by 192.0.2.1 over eth0");
}

TEST_CASE("an address that is removed is told as gone") {
  Machine machine;
  const auto changes = machine.told_of("addr del 192.0.2.7/24 dev eth0\n");
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].gone == std::vector{ip("192.0.2.7")});
  CHECK_FALSE(changes[0].gained);
  CHECK_FALSE(changes[0].connected);
}

TEST_CASE("an address that takes another's place is one change, a loss and a gain") {
  Machine machine;
  const auto changes = machine.told_of(
      "addr flush dev eth0\naddr add 192.0.2.8/24 dev eth0\nroute add default via 192.0.2.1 metric 100\n");
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].gained);
  CHECK(changes[0].connected);
  CHECK(changes[0].gone == std::vector{ip("192.0.2.7")});
}

TEST_CASE("a default route that is replaced is a gain") {
  Machine machine;
  const auto changes = machine.told_of("route replace default via 192.0.2.254 metric 100\n");
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].what == "default route by 192.0.2.254 over eth0");
}

TEST_CASE("when the best default route goes the other one is a gain") {
  Machine machine;
  REQUIRE(machine
              .told_of("link add wwan0 type veth peer name far1\nlink set far1 up\nlink set wwan0 up\naddr add "
                       "10.64.0.2/16 dev wwan0\n"
                       "route add default dev wwan0 metric 700\n")
              .size() == 1);
  const auto changes = machine.told_of("route del default via 192.0.2.1 metric 100\n");
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].what == "default route over wwan0");
}

TEST_CASE("a flap within the settle time, and a renewed lease, are no change") {
  Machine machine;
  CHECK(machine
            .told_of("addr del 192.0.2.7/24 dev eth0\naddr add 192.0.2.7/24 dev eth0\n"
                     "route add default via 192.0.2.1 metric 100\n")
            .empty());
  CHECK(machine.told_of("link set far0 down\nlink set far0 up\n").empty());
  CHECK(machine.told_of("addr change 192.0.2.7/24 dev eth0 valid_lft 3600 preferred_lft 1800\n").empty());
}

TEST_CASE("an IPv6 address counts once when the check for duplicates is done, and its refresh not at all") {
  Machine machine;
  machine.host.sysctl("net/ipv6/conf/eth0/disable_ipv6", "0");
  machine.told();
  machine.host.ip("addr add 2001:db8::7/64 dev eth0 valid_lft 3600 preferred_lft 1800\n");
  CHECK(run_until(
      machine.loop, [&] { return !machine.changes.empty(); }, 5s));
  REQUIRE(machine.changes.size() == 1);
  CHECK(machine.changes[0].what == "eth0 has 2001:db8::7");
  CHECK(machine.told_of("addr change 2001:db8::7/64 dev eth0 valid_lft 7200 preferred_lft 3600\n").empty());
}

TEST_CASE("lost messages are made up for by asking") {
  Machine machine;
  // More than the socket's buffer holds, while nobody reads.
  std::string storm;
  for (int round = 0; round < 4000; ++round) {
    storm += "addr add 203.0.113.1/32 dev eth0\naddr del 203.0.113.1/32 dev eth0\n";
  }
  const auto changes = machine.told_of(storm + "addr del 192.0.2.7/24 dev eth0\n");
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].gone == std::vector{ip("192.0.2.7")});
}

TEST_CASE("a watcher that is destroyed calls nobody") {
  Machine machine;
  machine.host.ip("addr del 192.0.2.7/24 dev eth0\n");
  CHECK_FALSE(run_until(
      machine.loop, [] { return false; }, 50ms));
  machine.watcher.reset();
  machine.loop.restart();
  machine.loop.run();
  CHECK(machine.changes.empty());
}
