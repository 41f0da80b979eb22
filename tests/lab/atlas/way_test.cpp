#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "lab/atlas/atlas.hpp"
#include "support/net.hpp"
#include "support/wait.hpp"

using namespace holdfast::lab;
using namespace std::chrono_literals;

namespace {

/// On the carrier, before it forwards.
void on_the_way(const Bedside& bedside, const std::string& hook, const std::string& rule) {
  bedside.lab.carrier().run(
      {"nft", "-f", "-"}, "table ip fault {\n chain act {\n  type filter hook " + hook + ";\n  " + rule + "\n }\n}\n");
}

constexpr const char* forwarding = "forward priority -10";
constexpr const char* arriving = "prerouting priority -150";
constexpr const char* leaving = "postrouting priority 300";

SiteOptions with(const std::string& line) {
  SiteOptions options;
  options.holdfast = {line};
  return options;
}

}  // namespace

TEST_CASE("nothing is wrong, with and without a daemon") {
  Bedside bedside;
  check_answer(bedside.examine(), "", 10s);
  bedside.establish();
  const std::size_t connections = bedside.relay.connections();
  const Seen seen = bedside.examine();
  check_answer(seen, "", 10s);
  CHECK(seen.layers.at("tcp").measured.starts_with("the running session is through"));
  CHECK(bedside.relay.connections() == connections);
}

TEST_CASE("a session stands, and nothing comes through any more") {
  Bedside bedside;
  bedside.establish();
  on_the_way(bedside, forwarding, "tcp dport 22 drop\n  tcp sport 22 drop");
  const Seen seen = bedside.examine();
  check_answer(seen, "connection_timed_out", 15s);
  CHECK(seen.layers.at("session").cause == "relay_silent");
  CHECK(seen.layers.at("session").hidden_by == "tcp");
  CHECK(seen.layers.at("proof").result == "skip");
}

TEST_CASE("a session stands, and was forgotten on the way") {
  Bedside bedside;
  bedside.establish();
  const std::string ours = bedside.lab.device().run({"ss", "-Htn", "state", "established", "dport", "=", ":22"});
  const std::string port = ours.substr(ours.find(':') + 1, ours.find(' ', ours.find(':')) - ours.find(':') - 1);
  on_the_way(bedside, forwarding, "tcp sport " + port + " drop\n  tcp dport " + port + " drop");
  const std::size_t connections = bedside.relay.connections();
  const Seen seen = bedside.examine();
  check_answer(seen, "relay_silent", 20s);
  CHECK(seen.answer == "session");
  CHECK(seen.layers.at("authentication").result == "pass");
  CHECK(seen.layers.at("proof").result == "skip");
  CHECK(bedside.relay.connections() == connections + 1);
}

TEST_CASE("a session stands, and its relay hangs") {
  Bedside bedside;
  bedside.establish();
  bedside.relay.freeze();
  const Seen seen = bedside.examine();
  bedside.relay.thaw();
  check_answer(seen, "no_banner", 20s);
  CHECK(seen.layers.at("tcp").result == "pass");
  CHECK(seen.layers.at("session").cause == "relay_silent");
  CHECK(seen.layers.at("session").hidden_by == "banner");
}

TEST_CASE("one connection to the relay is enough") {
  Bedside bedside;
  const std::size_t connections = bedside.relay.connections();
  check_answer(bedside.examine(), "", 10s);
  CHECK(bedside.relay.connections() == connections + 1);
}

TEST_CASE("the link is switched off") {
  Bedside bedside;
  bedside.lab.set_device_link(false);
  const Seen seen = bedside.examine();
  check_answer(seen, "link_down");
  CHECK(seen.layers.at("route").hidden_by == "link");
}

// ---- route --------------------------------------------------------------------------------------------------------

TEST_CASE("there is no default route") {
  Bedside bedside;
  bedside.lab.device().ip("route del default\n");
  const Seen seen = bedside.examine();
  check_answer(seen, "no_default_route", 10s);
  CHECK(seen.layers.at("tcp").hidden_by == "route");
}

TEST_CASE("two default routes have the same metric") {
  Bedside bedside;
  bedside.lab.plug_in_cable();
  bedside.lab.device().ip("route append default via 10.64.0.1\n");
  check_answer(bedside.examine(), "routes_tied", 10s);
}

TEST_CASE("bind_interface names an interface by which no route leads to the relay") {
  Bedside bedside(with("bind_interface: eth1"));
  bedside.lab.plug_in_cable();
  bedside.lab.device().ip("route replace default via 10.64.0.1\n");
  check_answer(bedside.examine(), "wrong_interface", 15s);
}

TEST_CASE("the bound interface's packets are smaller than the default route's") {
  Bedside bedside(with("bind_interface: wwan0"));
  bedside.lab.plug_in_cable();
  bedside.lab.device().ip("route add default via 10.64.0.1 dev wwan0 metric 50\n");
  bedside.relay.terminate();
  const Seen seen = bedside.examine();
  check_answer(seen, "connection_refused", 15s);
  CHECK(seen.layers.at("path").result == "pass");
}

TEST_CASE("bind_address is another interface's") {
  Bedside bedside(with("bind_address: 10.64.0.2"));
  bedside.lab.plug_in_cable();
  check_answer(bedside.examine(), "wrong_interface", 15s);
}

TEST_CASE("a rule prohibits the way") {
  Bedside bedside;
  bedside.lab.device().ip("rule add to 198.51.100.2 prohibit\n");
  const Seen seen = bedside.examine();
  check_answer(seen, "route_prohibited", 10s);
  CHECK(seen.layers.at("route").evidence.front().find("prohibit") != std::string::npos);
}

TEST_CASE("a route is a black hole") {
  Bedside bedside;
  bedside.lab.device().ip("route add blackhole 198.51.100.0/24\n");
  check_answer(bedside.examine(), "route_prohibited", 10s);
}

TEST_CASE("a rule has another table looked up, which has no route to the relay") {
  Bedside bedside;
  SUBCASE("and then the main one, which has") {
    bedside.lab.device().ip("rule add pref 100 lookup 100\n");
    check_answer(bedside.examine(), "", 10s);
  }
  SUBCASE("and no other") {
    bedside.lab.device().ip("rule add pref 100 lookup 100\nrule del pref 32766\n");
    const Seen seen = bedside.examine();
    check_answer(seen, "unreachable", 10s);
    CHECK(seen.answer == "route");
    const auto& evidence = seen.layers.at("route").evidence;
    CHECK(std::count(evidence.begin(), evidence.end(), "rule 100: from all lookup 100") == 1);
  }
  SUBCASE("but says that there is no way") {
    bedside.lab.device().ip("rule add pref 100 lookup 100\nroute add unreachable default table 100\n");
    check_answer(bedside.examine(), "route_prohibited", 10s);
  }
}

// ---- neighbour ----------------------------------------------------------------------------------------------------

TEST_CASE("the gateway answers") {
  Bedside bedside;
  bedside.lab.plug_in_cable();
  const Seen seen = bedside.examine();
  check_answer(seen, "", 10s);
  CHECK(seen.layers.at("neighbour").result == "pass");
}

TEST_CASE("the gateway does not answer ARP") {
  Bedside bedside;
  bedside.lab.plug_in_cable();
  bedside.lab.carrier().ip("link set wire0 arp off\n");
  const Seen seen = bedside.examine();
  check_answer(seen, "gateway_silent", 15s);
  CHECK(seen.layers.at("tcp").hidden_by == "neighbour");
}

TEST_CASE("the gateway's hardware address changes while we look, as two machines that fight for its address make it") {
  Bedside bedside;
  bedside.lab.plug_in_cable();
  bedside.lab.carrier().sysctl("net/ipv4/conf/wire0/arp_notify", "1");
  bedside.lab.device().sysctl("net/ipv4/neigh/eth1/locktime", "0");
  const char* fight = "while :; do for n in 1 2; do ip link set wire0 address 02:00:00:00:00:0$n; sleep .2; done; done";
  const holdfast::test::Process both(bedside.lab.carrier().on({.argv = {"sh", "-c", fight}}));
  const Seen seen = bedside.examine();
  check_answer(seen, "gateway_unstable", 10s);
  CHECK(seen.layers.at("neighbour").result == "warn");
  CHECK(seen.layers.at("neighbour").measured.find("02:00:00:00:00:01") != std::string::npos);
  CHECK(seen.layers.at("neighbour").measured.find("02:00:00:00:00:02") != std::string::npos);
}

// ---- path ---------------------------------------------------------------------------------------------------------

TEST_CASE("an echo is answered from another address") {
  Bedside bedside;
  on_the_way(bedside, leaving, "icmp type echo-reply ip saddr 198.51.100.2 ip saddr set 198.51.100.9");
  const Seen seen = bedside.examine();
  check_answer(seen, "answered_from_elsewhere", 10s);
  CHECK(seen.answer == "path");
  CHECK(seen.layers.at("path").result == "warn");
}

TEST_CASE("everything is answered from another address") {
  Bedside bedside;
  on_the_way(bedside, leaving, "ip saddr 198.51.100.2 ip saddr set 198.51.100.9");
  const Seen seen = bedside.examine();
  check_answer(seen, "answered_from_elsewhere", 15s);
  CHECK(seen.layers.at("path").result == "fail");
  CHECK(seen.layers.at("tcp").hidden_by == "path");
}

TEST_CASE("a SYN is answered from another address: seen by capture") {
  Bedside bedside;
  on_the_way(bedside, leaving, "tcp sport 22 ip saddr 198.51.100.2 ip saddr set 198.51.100.9");
  const Seen seen = bedside.examine({"--capture"});
  check_answer(seen, "answered_from_elsewhere", 15s);
  CHECK(seen.answer == "tcp");
  CHECK(seen.layers.at("tcp").measured.find("198.51.100.9") != std::string::npos);
}

TEST_CASE("a modem answers the echo for a relay that is not there") {
  Bedside bedside;
  bedside.lab.relay().ip("link set eth0 down\n");
  bedside.lab.carrier().ip("addr add 198.51.100.2/32 dev lo\n");
  on_the_way(bedside, "input priority -10", "tcp dport { 22, 443 } drop");
  const Seen seen = bedside.examine();
  check_answer(seen, "connection_timed_out", 15s);
  CHECK(seen.layers.at("path").cause == "answered_on_the_way");
}

TEST_CASE("an echo needs a raw socket where nobody else may send one") {
  Bedside bedside;
  bedside.lab.device().sysctl("net/ipv4/ping_group_range", "1 0");
  const Seen seen = bedside.examine();
  check_answer(seen, "", 10s);
  CHECK(seen.layers.at("path").result == "pass");
}

TEST_CASE("large packets vanish") {
  Bedside bedside;
  on_the_way(bedside, forwarding, "meta length > 1300 drop");
  const Seen seen = bedside.examine();
  check_answer(seen, "path_mtu", 30s);
  CHECK(seen.layers.at("path").measured.find("1280 bytes are answered") != std::string::npos);
}

TEST_CASE("large packets are told to be smaller") {
  Bedside bedside;
  bedside.lab.carrier().ip("link set core0 mtu 1300\n");
  bedside.lab.relay().ip("link set eth0 mtu 1300\n");
  const Seen seen = bedside.examine();
  check_answer(seen, "", 15s);
  CHECK(seen.layers.at("path").result == "pass");
}

// ---- TCP ----------------------------------------------------------------------------------------------------------

TEST_CASE("nobody listens at the relay's port") {
  Bedside bedside;
  bedside.relay.terminate();
  check_answer(bedside.examine(), "connection_refused", 10s);
}

TEST_CASE("the port does not answer") {
  Bedside bedside;
  on_the_way(bedside, forwarding, "tcp dport { 22, 443 } drop");
  const Seen seen = bedside.examine();
  check_answer(seen, "connection_timed_out", 15s);
  CHECK(seen.layers.at("path").result == "pass");
}

TEST_CASE("the port is blocked, and 443 passes") {
  Bedside bedside;
  std::optional<holdfast::test::Listener> other;
  {
    const InNetwork here(bedside.lab.relay());
    other.emplace(holdfast::test::Listener::tcp_everywhere(443));
  }
  on_the_way(bedside, forwarding, "tcp dport 22 drop");
  check_answer(bedside.examine(), "port_blocked", 15s);
}

TEST_CASE("somebody on the way resets the connection") {
  Bedside bedside;
  on_the_way(bedside, arriving, "iifname air0 tcp dport 22 reject with tcp reset");
  check_answer(bedside.examine(), "reset_on_the_way", 10s);
}

TEST_CASE("somebody on the way resets the connection: seen by capture") {
  Bedside bedside;
  on_the_way(bedside, forwarding, "tcp dport 22 reject with tcp reset");
  check_answer(bedside.examine({"--capture"}), "reset_on_the_way", 10s);
}

TEST_CASE("somebody on the way says that it is prohibited") {
  Bedside bedside;
  on_the_way(bedside, forwarding, "tcp dport 22 reject with icmp type admin-prohibited");
  check_answer(bedside.examine(), "reset_on_the_way", 10s);
}

// ---- no false alarm -----------------------------------------------------------------------------------------------

TEST_CASE("nothing is wrong with a long way that loses every fiftieth packet") {
  const char* wanted = std::getenv("HOLDFAST_HEALTHY_RUNS");
  const int runs = wanted == nullptr ? 2 : std::atoi(wanted);
  for (int run = 0; run < runs; ++run) {
    SiteOptions options;
    options.seed = static_cast<std::uint64_t>(run) + 1;
    Bedside bedside(options);
    bedside.lab.forget_relay_name();
    const Resolver resolver(bedside.lab.carrier(), Lab::relay_address, Manner::honest);
    bedside.lab.set_link({.delay = 150ms, .loss = 0.02});
    CAPTURE(run);
    check_answer(bedside.examine(), "", 20s);
  }
}

TEST_CASE("nothing is wrong with a daemon that is busy") {
  Bedside bedside;
  bedside.establish();
  std::atomic<bool> over = false;
  std::atomic<unsigned> rounds = 0;
  std::vector<std::thread> visitors;
  for (int count = 0; count < 4; ++count) {
    visitors.emplace_back([&] {
      const InNetwork here(bedside.lab.relay());
      holdfast::test::Socket visit = holdfast::test::Socket::connect_tcp("127.0.0.1", Bedside::tunnel_port);
      visit.receive_exactly(std::string{Bedside::greeting}.size());
      const std::string data(100'000, 'x');
      for (; !over; ++rounds) {
        visit.send(data);
        visit.receive_exactly(data.size());
      }
    });
  }
  CHECK(holdfast::test::wait_until([&] { return rounds > 4; }, 20s));
  for (int run = 0; run < 3; ++run) check_answer(bedside.examine(), "", 10s);
  over = true;
  for (std::thread& visitor : visitors) visitor.join();
}
