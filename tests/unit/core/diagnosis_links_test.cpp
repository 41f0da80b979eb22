#include <doctest/doctest.h>

#include <string>

#include "holdfast/diagnosis.hpp"

using namespace holdfast;

namespace {

using Link = LinkFindings::Link;
using Address = AddressFindings::Address;

Link link(const std::string& name, bool up, bool carrier) {
  Link link;
  link.name = name;
  link.up = up;
  link.carrier = carrier;
  link.way_out = true;
  return link;
}

Link virtual_link(const std::string& name) {
  Link bridge = link(name, true, true);
  bridge.kind = "bridge";
  bridge.way_out = false;
  return bridge;
}

Judgement judged(std::vector<Link> links, const std::string& wanted = "") {
  LinkFindings found;
  found.links = std::move(links);
  found.wanted = wanted;
  found.uptime = 7200;
  return judge(Layer::link, found);
}

Address address(const std::string& text, const std::string& interface = "eth0") {
  Address address;
  address.interface = interface;
  address.address = text;
  address.link_local = text.starts_with("169.254.") || text.starts_with("fe80:");
  address.way_out = true;
  return address;
}

Judgement judged(std::vector<Address> addresses, const std::string& wanted = "", const std::string& interface = "") {
  AddressFindings found;
  found.addresses = std::move(addresses);
  found.wanted = wanted;
  found.interface = interface;
  return judge(Layer::address, found);
}

Address flagged(const std::string& text, bool Address::*flag) {
  Address it = address(text);
  it.*flag = true;
  return it;
}

}  // namespace

TEST_CASE("one link with a carrier is enough: a laptop with its cable unplugged") {
  const Judgement judgement = judged({link("eth0", true, false), link("wlan0", true, true)});
  CHECK(judgement.result == CheckResult::pass);
  CHECK(judgement.measured == "wlan0 has a carrier");
  CHECK(judgement.evidence == std::vector<std::string>{"eth0 has no carrier"});
}

TEST_CASE("a container's bridge is no way out") {
  const Judgement judgement = judged({link("eth0", true, false), virtual_link("docker0")});
  CHECK(judgement.result == CheckResult::fail);
  CHECK(judgement.cause == Cause::no_carrier);
  CHECK(judgement.measured == "eth0 has no carrier");
}

TEST_CASE("of those that do not serve, one that was switched on is named first") {
  const Judgement off = judged({link("eth0", false, false)});
  CHECK(off.cause == Cause::link_down);
  CHECK(off.measured == "eth0 is switched off");
  const Judgement both = judged({link("eth0", false, false), link("wlan0", true, false)});
  CHECK(both.cause == Cause::no_carrier);
  CHECK(both.measured == "wlan0 has no carrier and eth0 is switched off");
}

TEST_CASE("links that do not serve stay in their order") {
  CHECK(judged({link("eth0", false, false), link("eth1", true, false), link("eth2", true, false)}).measured ==
        "eth1 has no carrier, eth2 has no carrier and eth0 is switched off");
}

TEST_CASE("no link at all, and the wanted one not among them") {
  Link loopback = link("lo", true, true);
  loopback.way_out = false;
  CHECK(judged({loopback}).cause == Cause::link_missing);
  const Judgement missing = judged({link("eth0", true, true)}, "wwan0");
  CHECK(missing.cause == Cause::link_missing);
  CHECK(missing.measured == "wwan0 is not there");
}

TEST_CASE("the wanted link counts whatever it is, and no other") {
  CHECK(judged({link("eth0", true, false), virtual_link("wg0")}, "wg0").result == CheckResult::pass);
  CHECK(judged({link("eth0", true, true), link("wwan0", true, false)}, "wwan0").cause == Cause::no_carrier);
}

TEST_CASE("a link that comes and goes") {
  const auto after = [](unsigned losses, std::int64_t uptime) {
    LinkFindings found;
    found.links = {link("eth0", true, true)};
    found.links.front().losses = losses;
    found.uptime = uptime;
    return judge(Layer::link, found);
  };
  const Judgement flaps = after(30, 7200);
  CHECK(flaps.result == CheckResult::warn);
  CHECK(flaps.cause == Cause::link_flapping);
  CHECK(flaps.measured == "eth0 lost its carrier 30 times in 2 h");
  CHECK(after(9, 7199).measured == "eth0 lost its carrier 9 times in 119 min");
  CHECK(after(200, 47L * 3600).measured == "eth0 lost its carrier 200 times in 47 h");
  CHECK(after(200, 48L * 3600).measured == "eth0 lost its carrier 200 times in 2 days");
  CHECK(after(900, 96L * 3600).measured == "eth0 lost its carrier 900 times in 4 days");
  CHECK_FALSE(after(7, 60).cause);  // as at a boot
  CHECK(after(8, 60).cause == Cause::link_flapping);
  CHECK_FALSE(after(8, 7200).cause);
  CHECK_FALSE(after(300, 86400L * 60).cause);
}

TEST_CASE("a link without a carrier says how often it lost it") {
  Link broken = link("eth0", true, false);
  broken.losses = 40;
  const Judgement judgement = judged({broken});
  CHECK(judgement.cause == Cause::no_carrier);
  CHECK(judgement.measured == "eth0 has no carrier (eth0 lost its carrier 40 times in 2 h)");
}

TEST_CASE("an address on a link that leads out") {
  const Judgement judgement = judged({address("fe80::1"), address("192.0.2.2")});
  CHECK(judgement.result == CheckResult::pass);
  CHECK(judgement.measured == "192.0.2.2 on eth0");
  Address of_bridge = address("172.17.0.1", "docker0");
  of_bridge.way_out = false;
  CHECK(judged({of_bridge}).cause == Cause::no_address);
}

TEST_CASE("none, and link-local only") {
  CHECK(judged(std::vector<Address>{}).cause == Cause::no_address);
  const Judgement only = judged({address("169.254.7.7"), address("fe80::1")});
  CHECK(only.cause == Cause::link_local_only);
  CHECK(only.measured == "169.254.7.7 on eth0 and fe80::1 on eth0");
}

TEST_CASE("a duplicate: the only one fails, one beside others warns") {
  const Judgement only = judged({address("fe80::1"), flagged("2001:db8::1", &Address::duplicate)});
  CHECK(only.result == CheckResult::fail);
  CHECK(only.cause == Cause::address_duplicate);
  CHECK(only.measured == "2001:db8::1 on eth0 is another machine's");
  const Judgement beside = judged({address("192.0.2.2"), flagged("2001:db8::1", &Address::duplicate)});
  CHECK(beside.result == CheckResult::warn);
  CHECK(beside.cause == Cause::address_duplicate);
}

TEST_CASE("an address that is still being checked is none yet") {
  const Judgement judgement = judged({address("fe80::1"), flagged("2001:db8::1", &Address::tentative)});
  CHECK(judgement.cause == Cause::no_address);
  CHECK(judgement.measured == "2001:db8::1 on eth0 is still being checked");
  CHECK(judged({flagged("fe80::1", &Address::tentative)}).cause == Cause::link_local_only);
}

TEST_CASE("expired is a word only where nothing fresh is beside it: temporary addresses expire every day") {
  const Address old = flagged("2001:db8::1", &Address::expired);
  CHECK(judged({old}).cause == Cause::address_expired);
  CHECK(judged({old}).result == CheckResult::warn);
  CHECK_FALSE(judged({old, address("2001:db8::2")}).cause);
}

TEST_CASE("a carrier's address is said, and not blamed") {
  for (const char* inside : {"100.64.0.2", "100.127.255.255"}) {
    const Judgement judgement = judged({address(inside)});
    CHECK(judgement.result == CheckResult::pass);
    CHECK(judgement.cause == Cause::carrier_nat);
  }
  for (const char* outside : {"100.63.0.2", "100.128.0.1", "10.64.0.2", "1.100.64.2"}) {
    CHECK_FALSE(judged({address(outside)}).cause);
  }
}

TEST_CASE("bind_address has to be there, and good") {
  CHECK(judged({address("192.0.2.2")}, "192.0.2.2").result == CheckResult::pass);
  const Judgement gone = judged({address("192.0.2.2")}, "192.0.2.9");
  CHECK(gone.result == CheckResult::fail);
  CHECK(gone.cause == Cause::local_address_unavailable);
  CHECK(gone.measured == "bind_address 192.0.2.9 is no address of this device now");
  const Judgement duplicate =
      judged({address("192.0.2.2"), flagged("2001:db8::1", &Address::duplicate)}, "2001:db8::1");
  CHECK(duplicate.result == CheckResult::fail);
  CHECK(duplicate.cause == Cause::address_duplicate);
}

TEST_CASE("with bind_interface only its addresses count") {
  Address of_vpn = address("10.8.0.2", "wg0");
  of_vpn.way_out = false;
  CHECK(judged({address("192.0.2.2"), of_vpn}, "", "wg0").measured == "10.8.0.2 on wg0");
  CHECK(judged({address("192.0.2.2")}, "", "wwan0").cause == Cause::no_address);
}
