#include "status/findings_json.hpp"

#include <doctest/doctest.h>

#include <string>
#include <variant>

using namespace holdfast;

namespace {

/// Written and read again, and written again: what is lost on the way shows.
void survives(Layer layer, const Finding& finding) {
  const std::string line = status::to_line(layer, finding);
  CAPTURE(line);
  const auto read = status::from_line(line);
  REQUIRE(read);
  CHECK(read->first == layer);
  CHECK(read->second.index() == finding.index());
  CHECK(status::to_line(read->first, read->second) == line);
}

std::string error_of(const std::string& line) {
  const auto read = status::from_line(line);
  return read ? std::string{} : read.error();
}

}  // namespace

TEST_CASE("what was found is read back as it was written, each kind of it") {
  survives(Layer::path, Skipped{"needs root"});
  DeviceFindings device;
  device.clock = 1764444000;
  device.under_voltage = false;
  device.places.push_back({"/var/lib/holdfast", 5, 6, true, "why"});
  device.certificates.push_back({"/etc/holdfast/id-cert.pub", 1, 2});
  survives(Layer::device, device);
  ModemFindings modem;
  modem.modems.emplace_back();
  modem.modems.back().state = "registered";
  modem.modems.back().signal = 30;
  modem.devices.push_back({"12d1:1f01", {"wwan0"}, true, true});
  modem.calls = {"ppp0"};
  survives(Layer::modem, modem);
  LinkFindings links;
  links.links.emplace_back();
  links.links.back().losses = 3;
  survives(Layer::link, links);
  AddressFindings addresses;
  addresses.addresses.push_back({"eth0", "192.0.2.2", true, true, true, true, true});
  survives(Layer::address, addresses);
  RouteFindings routes;
  routes.defaults.push_back({"IPv4", 254, 100, "eth0", "192.0.2.1"});
  routes.ways.push_back({"198.51.100.2", "eth0", "192.0.2.2", "192.0.2.1", "an error", "wwan0", "eth1"});
  survives(Layer::route, routes);
  NeighbourFindings neighbours;
  neighbours.gateways.push_back({"192.0.2.1", "eth0", "reachable", {"02:00:00:00:00:01"}, true});
  neighbours.none_needed = "ppp0 has no neighbours";
  survives(Layer::neighbour, neighbours);
  NameFindings name;
  name.servers.push_back(
      {"192.0.2.53", NameFindings::Said::refused, {"192.0.2.7"}, Milliseconds{12}, "REFUSED", "127.0.0.53", true});
  name.in_hosts = true;
  survives(Layer::name, name);
  PathFindings path;
  path.echoes.push_back({"192.0.2.7", 3, 2, "192.0.2.8", 63, Milliseconds{40}, "", true});
  path.large.push_back({"192.0.2.7", 1500, true, "Frag needed"});
  survives(Layer::path, path);
  TcpFindings tcp;
  tcp.tries.push_back({"192.0.2.7:22", Cause::connection_refused, "why", Milliseconds{3}, "192.0.2.8", 61, true});
  survives(Layer::tcp, tcp);
  StepFindings step;
  step.failure = Failure{Cause::host_key_changed, "verify", "relay", "SHA256:abc", "look"};
  step.evidence = {"one", "two"};
  survives(Layer::host_key, step);
  TargetFindings target;
  target.targets.push_back({"localhost:4649",
                            "localhost:22",
                            TargetFindings::Said::closed,
                            "SSH-2.0",
                            "",
                            Milliseconds{1},
                            {"[::1]:22"},
                            22,
                            true,
                            true});
  survives(Layer::target, target);
  KeepaliveFindings keepalive;
  keepalive.forgotten = Milliseconds{90000};
  keepalive.ended = Milliseconds{100000};
  survives(Layer::keepalive, keepalive);
}

TEST_CASE("documents of several tunnels are read one after the other, and out of a bundle") {
  Findings first;
  first[Layer::modem] = Skipped{"no modem {"};
  Findings second;
  second[Layer::link] = Skipped{"no link"};
  const std::string text =
      status::to_json("relay", first, diagnose(first)) + status::to_json("other", second, diagnose(second));
  const std::string bundle =
      "==== versions\nholdfast 1\n\n==== diagnosis\n" + text + "\n==== status\n{\n \"x\": 1\n}\n";
  for (const std::string& each : {text, bundle}) {
    const auto read = status::read_recorded(each);
    REQUIRE(read);
    REQUIRE(read->size() == 2);
    CHECK(read->at(0).tunnel == "relay");
    CHECK(read->at(0).findings.contains(Layer::modem));
    CHECK(read->at(1).tunnel == "other");
    CHECK(read->at(1).findings.contains(Layer::link));
  }
  const auto lines = status::read_recorded(status::to_line(Layer::modem, first[Layer::modem]) + "\n" +
                                           status::to_line(Layer::link, second[Layer::link]));
  REQUIRE(lines);
  REQUIRE(lines->size() == 1);
  CHECK(lines->front().tunnel.empty());
  CHECK(lines->front().findings.size() == 2);
  for (const std::string wrong : {"", "{", "==== versions\nx\n", "==== diagnosis\nnone: the look itself failed\n"})
    CHECK_FALSE(status::read_recorded(wrong));
  const auto second_is_cut = status::read_recorded(text.substr(0, text.size() - 20));
  REQUIRE_FALSE(second_is_cut);
  CHECK(second_is_cut.error().starts_with("document 2: "));
}

TEST_CASE("a line of an older or newer holdfast is read as far as it is known") {
  const auto read =
      status::from_line(R"({"schema":1,"layer":"link","kind":"link","found":{"wanted":"wwan0","new":[1]}})");
  REQUIRE(read);
  CHECK(std::get<LinkFindings>(read->second).wanted == "wwan0");
}

TEST_CASE("a line that is none says what is wrong with it") {
  CHECK(error_of("{").find("not what a look found") != std::string::npos);
  CHECK(error_of("[]").find("not what a look found") != std::string::npos);
  CHECK(error_of(R"({"schema":2})").find("schema 1") != std::string::npos);
  CHECK(error_of(R"({"schema":1,"layer":"moon"})").find("'moon'") != std::string::npos);
  CHECK(error_of(R"({"schema":1,"layer":"link","kind":"moon"})").find("'moon'") != std::string::npos);
  CHECK(error_of(R"({"schema":1,"layer":"link","kind":"link","found":{"links":7}})").find("not what") !=
        std::string::npos);
}

TEST_CASE("a relay's words need not be UTF-8") {
  StepFindings step;
  step.measured = "SSH-2.0-\xff";
  CHECK(status::from_line(status::to_line(Layer::banner, step)));
}

TEST_CASE("a number that is not whole, or too large, is none") {
  const auto read = status::from_line(
      R"({"schema": 1, "layer": "keepalive", "kind": "keepalive", "found": {"interval": 60000, "forgotten": 1e300}})");
  REQUIRE(read);
  CHECK_FALSE(std::get<KeepaliveFindings>(read->second).forgotten);
  CHECK_FALSE(status::from_line(
      R"({"schema": 1, "layer": "keepalive", "kind": "keepalive", "found": {"interval": 1e300, "forgotten": 1}})"));
  CHECK_FALSE(status::from_line(R"({"schema": 1e300, "layer": "keepalive", "kind": "keepalive", "found": {}})"));
}
