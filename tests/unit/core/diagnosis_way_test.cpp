#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "holdfast/diagnosis.hpp"
#include "holdfast/hops.hpp"

/// Route, neighbour, name, path and TCP.
using namespace holdfast;
using namespace std::chrono_literals;

namespace {

RouteFindings::Default default_route(const std::string& interface, std::uint32_t metric) {
  RouteFindings::Default route;
  route.family = "IPv4";
  route.table = 254;
  route.metric = metric;
  route.interface = interface;
  route.gateway = "10.64.0.1";
  return route;
}

RouteFindings::Way way(const std::string& error = {}) {
  RouteFindings::Way way;
  way.to = "198.51.100.2";
  way.error = error;
  if (error.empty()) {
    way.interface = "wwan0";
    way.source = "10.64.0.2";
    way.gateway = "10.64.0.1";
  }
  return way;
}

RouteFindings routes(std::vector<RouteFindings::Default> defaults, std::vector<RouteFindings::Way> ways) {
  RouteFindings found;
  found.defaults = std::move(defaults);
  found.ways = std::move(ways);
  return found;
}

NeighbourFindings gateway(const std::string& state, bool answered, std::vector<std::string> at) {
  NeighbourFindings::Gateway one;
  one.address = "10.65.0.1";
  one.interface = "eth1";
  one.state = state;
  one.answered = answered;
  one.link_addresses = std::move(at);
  NeighbourFindings found;
  found.gateways = {one};
  return found;
}

using Said = NameFindings::Said;

NameFindings::Server server(Said said, std::vector<std::string> addresses = {}, Milliseconds took = 20ms) {
  NameFindings::Server server;
  server.address = "192.0.2.53";
  server.said = said;
  server.addresses = std::move(addresses);
  server.took = took;
  return server;
}

NameFindings name(std::vector<NameFindings::Server> servers, std::vector<std::string> found,
                  std::vector<std::string> remembered = {}) {
  NameFindings name;
  name.name = "relay.example";
  name.servers = std::move(servers);
  name.found = std::move(found);
  name.remembered = std::move(remembered);
  return name;
}

PathFindings echo(const std::string& from, unsigned ttl, bool neighbour = false) {
  PathFindings::Echo echo;
  echo.to = "198.51.100.2";
  echo.sent = 1;
  echo.answered = from.empty() ? 0 : 1;
  echo.from = from;
  if (!from.empty()) echo.ttl = ttl;
  echo.round_trip = 60ms;
  echo.neighbour = neighbour;
  PathFindings found;
  found.echoes = {echo};
  return found;
}

PathFindings::Large large(unsigned size, bool passed, const std::string& detail = {}) {
  PathFindings::Large large;
  large.to = "198.51.100.2";
  large.size = size;
  large.passed = passed;
  large.detail = detail;
  return large;
}

TcpFindings::Try attempt(Cause failed, const std::string& detail = "no answer") {
  TcpFindings::Try one;
  one.to = "198.51.100.2:22";
  one.failed = failed;
  one.detail = detail;
  return one;
}

TcpFindings tcp(std::vector<TcpFindings::Try> tries) {
  TcpFindings found;
  found.tries = std::move(tries);
  return found;
}

TcpFindings connected() {
  TcpFindings found = tcp({attempt(Cause::connection_refused)});
  found.tries.front().failed = std::nullopt;
  return found;
}

const Judgement& of(const Diagnosis& diagnosis, Layer layer) {
  for (const Judgement& judgement : diagnosis.judgements) {
    if (judgement.layer == layer) return judgement;
  }
  throw std::runtime_error("no such layer");
}

void check(const Judgement& judgement, CheckResult result, std::optional<Cause> cause = {}) {
  CAPTURE(judgement.measured);
  CHECK(judgement.result == result);
  CHECK(judgement.cause == cause);
  if (result == CheckResult::fail || result == CheckResult::warn) CHECK_FALSE(judgement.next_step.empty());
}

}  // namespace

TEST_CASE("how many have handed a packet on shows in its TTL") {
  CHECK(hops_of(64) == 0);
  CHECK(hops_of(63) == 1);
  CHECK(hops_of(128) == 0);
  CHECK(hops_of(115) == 13);
  CHECK(hops_of(255) == 0);
  CHECK(hops_of(244) == 11);
}

// ---- route --------------------------------------------------------------------------------------------------------

TEST_CASE("without a default route there is no way, whether or not the relay's address is known") {
  check(judge(Layer::route, routes({}, {way("Network is unreachable")})), CheckResult::fail, Cause::no_default_route);
  check(judge(Layer::route, routes({}, {})), CheckResult::fail, Cause::no_default_route);
}

TEST_CASE("the way to an address that is not known is not judged") {
  check(judge(Layer::route, routes({default_route("wwan0", 0)}, {})), CheckResult::skip);
}

TEST_CASE("one way is enough, and the other family's lack is said") {
  RouteFindings::Way six = way("Network is unreachable");
  six.to = "2001:db8::1";
  const Judgement judgement = judge(Layer::route, routes({default_route("wwan0", 0)}, {six, way()}));
  check(judgement, CheckResult::pass);
  CHECK(judgement.evidence.front() == "2001:db8::1: Network is unreachable");
}

TEST_CASE("of two ways that serve the first is told") {
  RouteFindings::Way another = way();
  another.to = "198.51.100.3";
  CHECK(judge(Layer::route, routes({default_route("wwan0", 0)}, {way(), another}))
            .measured.starts_with("to 198.51.100.2:"));
}

TEST_CASE("a rule that has nothing to do with it does not hide that a route is missing") {
  RouteFindings found = routes({}, {way("Network is unreachable")});
  found.rules = {"5270: from all lookup 52"};
  check(judge(Layer::route, found), CheckResult::fail, Cause::no_default_route);
  found.rules = {"100: from all unreachable"};
  check(judge(Layer::route, found), CheckResult::fail, Cause::route_prohibited);
}

TEST_CASE("where a rule has another table looked up, the default route of the main one leads nowhere") {
  RouteFindings found = routes({default_route("wwan0", 0)}, {way("Network is unreachable")});
  found.rules = {"100: from all lookup 100"};
  const Judgement judgement = judge(Layer::route, found);
  check(judgement, CheckResult::fail, Cause::unreachable);
  CHECK(judgement.evidence.front() == "rule 100: from all lookup 100");
  CHECK(judgement.next_step.find("ip rule") != std::string::npos);
  found.rules.clear();
  CHECK(judge(Layer::route, found).next_step == facts_of(Cause::unreachable).remedy);
}

TEST_CASE("two default routes with the same metric are told, and only the best count") {
  const Judgement tied = judge(Layer::route, routes({default_route("wwan0", 0), default_route("eth1", 0)}, {way()}));
  check(tied, CheckResult::warn, Cause::routes_tied);
  CHECK(tied.evidence.size() == 3);  // the way, and both default routes
  check(judge(Layer::route,
              routes({default_route("wwan0", 5), default_route("eth1", 5), default_route("eth2", 1)}, {way()})),
        CheckResult::pass);
  check(judge(Layer::route, routes({default_route("wwan0", 5), default_route("eth1", 1)}, {way()})), CheckResult::pass);
  RouteFindings other_family = routes({default_route("wwan0", 0), default_route("eth1", 0)}, {way()});
  for (auto& route : other_family.defaults) route.family = "IPv6";
  check(judge(Layer::route, other_family), CheckResult::pass);
  RouteFindings bound = routes({default_route("wwan0", 0), default_route("eth1", 0)}, {way()});
  bound.wanted = "wwan0";
  check(judge(Layer::route, bound), CheckResult::pass);
}

TEST_CASE("a rule or a route that forbids is told from none") {
  for (const char* error : {"Permission denied", "Invalid argument", "No route to host"}) {
    check(judge(Layer::route, routes({default_route("wwan0", 0)}, {way(error)})), CheckResult::fail,
          Cause::route_prohibited);
  }
  RouteFindings by_rule = routes({default_route("wwan0", 0)}, {way("Network is unreachable")});
  by_rule.rules = {"100: from all unreachable"};
  const Judgement judgement = judge(Layer::route, by_rule);
  check(judgement, CheckResult::fail, Cause::route_prohibited);
  CHECK(judgement.evidence.front() == "rule 100: from all unreachable");
}

TEST_CASE("bind_interface has no way where another interface has one") {
  RouteFindings found = routes({default_route("eth1", 0)}, {way("Network is unreachable")});
  found.wanted = "wwan0";
  check(judge(Layer::route, found), CheckResult::fail, Cause::unreachable);
  found.ways.front().freely = "eth1";
  check(judge(Layer::route, found), CheckResult::fail, Cause::wrong_interface);
}

TEST_CASE("what leaves by one interface with another's address is told") {
  RouteFindings found = routes({default_route("wwan0", 0)}, {way()});
  found.ways.front().source_belongs = "eth1";
  check(judge(Layer::route, found), CheckResult::fail, Cause::wrong_interface);
  found.ways.front().source_belongs = "wwan0";
  check(judge(Layer::route, found), CheckResult::pass);
}

// ---- neighbour ----------------------------------------------------------------------------------------------------

TEST_CASE("a gateway that ARP does not find is silent") {
  for (const char* state : {"failed", "incomplete"})
    check(judge(Layer::neighbour, gateway(state, false, {})), CheckResult::fail, Cause::gateway_silent);
}

TEST_CASE("a gateway that answered, or was confirmed just now, is there") {
  check(judge(Layer::neighbour, gateway("stale", true, {"02:00:00:00:00:01"})), CheckResult::pass);
  check(judge(Layer::neighbour, gateway("reachable", false, {"02:00:00:00:00:01"})), CheckResult::pass);
}

TEST_CASE("a gateway that is known from before and says nothing is not judged") {
  check(judge(Layer::neighbour, gateway("delay", false, {"02:00:00:00:00:01"})), CheckResult::skip);
}

TEST_CASE("two machines that answer for the gateway are told") {
  check(judge(Layer::neighbour, gateway("reachable", true, {"02:00:00:00:00:01", "02:00:00:00:00:02"})),
        CheckResult::warn, Cause::gateway_unstable);
}

TEST_CASE("a relay on this network that does not answer is no gateway, and TCP's next step says so") {
  NeighbourFindings found = gateway("failed", false, {});
  found.gateways.front().is_relay = true;
  check(judge(Layer::neighbour, found), CheckResult::skip);
  const TcpFindings unreachable = tcp({attempt(Cause::unreachable, "No route to host")});
  const auto next_step = [&](const NeighbourFindings& neighbours) {
    return of(diagnose({{Layer::neighbour, neighbours}, {Layer::tcp, unreachable}}), Layer::tcp).next_step;
  };
  const Diagnosis silent =
      diagnose({{Layer::neighbour, found}, {Layer::tcp, tcp({attempt(Cause::connection_timed_out)})}});
  CHECK(of(silent, Layer::tcp).next_step == facts_of(Cause::connection_timed_out).remedy);
  CHECK(next_step(found).starts_with("By this device's routes the relay is on its own network"));
  found.gateways.front().answered = true;
  check(judge(Layer::neighbour, found), CheckResult::pass);
  CHECK_FALSE(next_step(found).starts_with("By this device"));
}

TEST_CASE("where no gateway is needed none is judged") {
  NeighbourFindings found;
  found.none_needed = "wwan0 has no neighbours but the other end";
  check(judge(Layer::neighbour, found), CheckResult::skip);
}

// ---- name ---------------------------------------------------------------------------------------------------------

TEST_CASE("each of a name server's failures has its cause") {
  check(judge(Layer::name, name({server(Said::nothing)}, {})), CheckResult::fail, Cause::nameserver_silent);
  check(judge(Layer::name, name({server(Said::refused)}, {})), CheckResult::fail, Cause::nameserver_refused);
  check(judge(Layer::name, name({server(Said::failed)}, {})), CheckResult::fail, Cause::resolver_unavailable);
  check(judge(Layer::name, name({server(Said::no_such_name)}, {})), CheckResult::fail, Cause::name_not_found);
  check(judge(Layer::name, name({}, {})), CheckResult::fail, Cause::nameserver_missing);
  check(judge(Layer::name, name({server(Said::addresses, {"198.51.100.2"}, 3s)}, {})), CheckResult::fail,
        Cause::nameserver_slow);
}

TEST_CASE("a name server that fails only warns where the name was found") {
  check(judge(Layer::name, name({server(Said::nothing), server(Said::addresses, {"198.51.100.2"})}, {"198.51.100.2"})),
        CheckResult::warn, Cause::nameserver_silent);
  check(judge(Layer::name, name({server(Said::addresses, {"198.51.100.2"}, 3s)}, {"198.51.100.2"})), CheckResult::warn,
        Cause::nameserver_slow);
}

TEST_CASE("a name that DNS denies may be known from elsewhere") {
  check(judge(Layer::name, name({server(Said::no_such_name)}, {"198.51.100.2"})), CheckResult::pass);
}

TEST_CASE("a server that knows every name lies, and so does one that is believed") {
  NameFindings::Server portal = server(Said::addresses, {"10.64.0.1"});
  portal.knows_all = true;
  check(judge(Layer::name, name({portal}, {"10.64.0.1"})), CheckResult::fail, Cause::nameserver_lies);
  check(judge(Layer::name, name({server(Said::addresses, {"198.51.100.2"}), portal}, {"198.51.100.2"})),
        CheckResult::warn, Cause::nameserver_lies);
}

TEST_CASE("which addresses are private") {
  const auto cause = [](const char* address) {
    CAPTURE(address);
    return judge(Layer::name, name({server(Said::addresses, {address})}, {address}, {"198.51.100.2"})).cause;
  };
  for (const char* inside : {"10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1", "169.254.9.9", "100.64.0.1",
                             "100.127.255.255", "fe80::1", "fc00::1", "fd12::1"})
    CHECK(cause(inside) == Cause::nameserver_lies);
  for (const char* outside :
       {"1.16.0.1",    "9.10.0.1",    "11.0.0.1",    "20.168.0.1", "172.15.0.1",  "172.32.0.1", "192.167.0.1",
        "193.168.0.1", "169.253.0.1", "170.254.0.1", "100.63.0.1", "100.128.0.1", "101.64.0.1", "200.100.0.1",
        "254.0.0.1",   "2001:db8::1", "100.x",       "100:64::1",  "100.64",      ".10.0.1",    "99999999999.10.0.1"})
    CHECK(cause(outside) == Cause::relay_moved);
  for (const char* own : {"::", "::1"}) {  // beside one that is somebody's
    CAPTURE(own);
    const std::vector<std::string> both{own, "10.1.2.3"};
    CHECK(judge(Layer::name, name({server(Said::addresses, both)}, both, {"198.51.100.2"})).cause ==
          Cause::nameserver_lies);
  }
}

TEST_CASE("what each server said stands beside the answer once, and what is remembered where nothing is found") {
  const Judgement found =
      judge(Layer::name, name({server(Said::addresses, {"198.51.100.2"}), server(Said::refused), server(Said::refused)},
                              {"198.51.100.2"}));
  CHECK(found.measured.find("refuses") != std::string::npos);
  CHECK(std::count_if(found.evidence.begin(), found.evidence.end(), [](const std::string& line) {
          return line.find("says 198.51.100.2") != std::string::npos;
        }) == 1);
  CHECK(std::none_of(found.evidence.begin(), found.evidence.end(),
                     [](const std::string& line) { return line.find("remembered") != std::string::npos; }));
  const Judgement missing = judge(Layer::name, name({server(Said::nothing)}, {}, {"198.51.100.2"}));
  REQUIRE_FALSE(missing.evidence.empty());
  CHECK(missing.evidence.back() == "remembered: 198.51.100.2");
  CHECK(judge(Layer::name, name({server(Said::nothing)}, {})).evidence.empty());
}

TEST_CASE("a server that says this device itself, or nowhere, blocks the name") {
  for (const char* nobodys : {"0.0.0.0", "127.0.0.1", "::", "::1"}) {
    CAPTURE(nobodys);
    check(judge(Layer::name, name({server(Said::addresses, {nobodys})}, {nobodys})), CheckResult::fail,
          Cause::nameserver_lies);
  }
  check(judge(Layer::name, name({server(Said::addresses, {"127.0.0.1", "198.51.100.2"})}, {"198.51.100.2"})),
        CheckResult::pass);
}

TEST_CASE("a private address is a lie where the relay was elsewhere, or another server knows better") {
  const NameFindings::Server inside = server(Said::addresses, {"192.168.1.1"});
  check(judge(Layer::name, name({inside}, {"192.168.1.1"}, {"198.51.100.2"})), CheckResult::fail,
        Cause::nameserver_lies);
  check(judge(Layer::name, name({inside, server(Said::addresses, {"198.51.100.2"})}, {"192.168.1.1"})),
        CheckResult::fail, Cause::nameserver_lies);
  check(judge(Layer::name, name({inside}, {"192.168.1.1"}, {"192.168.1.1"})), CheckResult::pass);
  check(judge(Layer::name, name({inside}, {"192.168.1.1"})), CheckResult::pass);
  check(judge(Layer::name, name({server(Said::addresses, {"172.33.0.1"})}, {"172.33.0.1"}, {"198.51.100.2"})),
        CheckResult::pass, Cause::relay_moved);
}

TEST_CASE("that somebody answers at an address does not make it the relay's") {
  NameFindings::Server portal = server(Said::addresses, {"198.51.100.2"});
  portal.knows_all = true;
  const NameFindings found = name({portal}, {"198.51.100.2"});
  const Diagnosis diagnosis = diagnose({{Layer::name, found}, {Layer::path, echo("198.51.100.2", 63)}});
  check(of(diagnosis, Layer::name), CheckResult::fail, Cause::nameserver_lies);
  const Diagnosis through = diagnose({{Layer::name, found}, {Layer::host_key, StepFindings{}}});
  check(of(through, Layer::name), CheckResult::warn, Cause::nameserver_lies);
}

TEST_CASE("a private address at which the relay shows its host key is no lie") {
  const NameFindings found =
      name({server(Said::addresses, {"192.168.1.1"}), server(Said::addresses, {"198.51.100.2"})}, {"192.168.1.1"});
  TcpFindings there = connected();
  there.tries.front().to = "192.168.1.1:22";
  const Diagnosis proven = diagnose({{Layer::name, found}, {Layer::tcp, there}, {Layer::host_key, StepFindings{}}});
  check(of(proven, Layer::name), CheckResult::pass);
  const Diagnosis elsewhere =
      diagnose({{Layer::name, found}, {Layer::tcp, connected()}, {Layer::host_key, StepFindings{}}});
  check(of(elsewhere, Layer::name), CheckResult::warn, Cause::nameserver_lies);
  StepFindings another_key;
  another_key.failure = Failure{Cause::host_key_changed, "verify the host key of", "relay.example:22", "it shows X"};
  const Diagnosis unproven = diagnose({{Layer::name, found}, {Layer::tcp, there}, {Layer::host_key, another_key}});
  check(of(unproven, Layer::name), CheckResult::fail, Cause::nameserver_lies);
}

TEST_CASE("a resolver on this device fails by itself, or for those that it asks") {
  NameFindings::Server stub = server(Said::failed);
  stub.address = "127.0.0.53";
  NameFindings::Server good = server(Said::addresses, {"198.51.100.2"});
  NameFindings::Server bad = server(Said::nothing);
  good.behind = bad.behind = stub.address;
  const Judgement by_itself = judge(Layer::name, name({stub, bad, good}, {}));
  check(by_itself, CheckResult::fail, Cause::resolver_unavailable);
  CHECK(by_itself.measured.starts_with("127.0.0.53 fails"));
  const Judgement for_others = judge(Layer::name, name({stub, bad}, {}));
  check(for_others, CheckResult::fail, Cause::nameserver_silent);
  CHECK(for_others.measured.find("(asked by 127.0.0.53)") != std::string::npos);
  stub.said = Said::addresses;
  stub.addresses = good.addresses;
  check(judge(Layer::name, name({stub, bad, good}, {})), CheckResult::warn, Cause::nameserver_silent);
}

TEST_CASE("a system that is late is no fault where a name server knows the name") {
  NameFindings late = name({server(Said::addresses, {"198.51.100.2"})}, {});
  late.error = "the system has not answered yet";
  check(judge(Layer::name, late), CheckResult::pass);
  late.servers.push_back(server(Said::nothing));
  check(judge(Layer::name, late), CheckResult::warn, Cause::nameserver_silent);
  late.servers = {server(Said::addresses, {"198.51.100.2"}, 2s)};  // by then whoever asks has given up
  check(judge(Layer::name, late), CheckResult::fail, Cause::nameserver_slow);
}

TEST_CASE("an address other than the remembered one is told, and is no fault") {
  const Judgement judgement =
      judge(Layer::name, name({server(Said::addresses, {"203.0.113.7"})}, {"203.0.113.7"}, {"198.51.100.2"}));
  check(judgement, CheckResult::pass, Cause::relay_moved);
  CHECK(judgement.measured.find("198.51.100.2") != std::string::npos);
}

TEST_CASE("an address in place of a name is nothing to ask for") {
  NameFindings found;
  found.name = "198.51.100.2";
  found.literal = true;
  check(judge(Layer::name, found), CheckResult::skip);
}

// ---- path ---------------------------------------------------------------------------------------------------------

TEST_CASE("an echo shows who answers, and from how far") {
  check(judge(Layer::path, echo("198.51.100.2", 63)), CheckResult::pass);
  check(judge(Layer::path, echo("203.0.113.9", 63)), CheckResult::fail, Cause::answered_from_elsewhere);
  check(judge(Layer::path, echo("198.51.100.2", 64)), CheckResult::warn, Cause::answered_on_the_way);
  check(judge(Layer::path, echo("198.51.100.2", 255)), CheckResult::warn, Cause::answered_on_the_way);
  check(judge(Layer::path, echo("198.51.100.2", 64, true)), CheckResult::pass);
}

TEST_CASE("an echo that nobody answers says nothing") {
  check(judge(Layer::path, echo("", 0)), CheckResult::skip);
  PathFindings none;
  none.not_permitted = "no echo may be sent here";
  check(judge(Layer::path, none), CheckResult::skip);
}

TEST_CASE("a router that can't get to the relay says so") {
  PathFindings found = echo("", 0);
  found.echoes.front().detail = "Destination Host Unreachable from 10.0.0.1";
  check(judge(Layer::path, found), CheckResult::fail, Cause::unreachable);
  found.echoes.push_back(echo("", 0).echoes.front());  // whose silence says nothing
  check(judge(Layer::path, found), CheckResult::skip);
  found.echoes.pop_back();
  found.echoes.front().detail = "Packet filtered from 10.0.0.1";
  check(judge(Layer::path, found), CheckResult::skip);
}

TEST_CASE("where small echoes pass and large ones vanish there is a hole") {
  PathFindings found = echo("198.51.100.2", 63);
  found.large = {large(1420, false), large(1400, true)};
  check(judge(Layer::path, found), CheckResult::fail, Cause::path_mtu);
  found.large = {large(1420, false, "Frag needed and DF set from 10.0.0.1"), large(1400, true)};
  check(judge(Layer::path, found), CheckResult::pass);
  CHECK(judge(Layer::path, found).evidence ==
        std::vector<std::string>{"1420 bytes: Frag needed and DF set from 10.0.0.1", "1400 bytes pass"});
  found.large = {large(1420, false), large(1400, false), large(576, false)};
  check(judge(Layer::path, found), CheckResult::pass);
  CHECK(judge(Layer::path, found).evidence.front() == "1420 bytes are not answered");
  // The smallest that is lost and the largest that passes bound it.
  found.large = {large(1500, false), large(1420, false), large(1400, true), large(576, true)};
  CHECK(judge(Layer::path, found).measured ==
        "echoes of 1400 bytes are answered, of 1420 bytes are not, and no ICMP tells why");
  found.large = {large(1400, false), large(1420, true)};  // a host's own taste
  check(judge(Layer::path, found), CheckResult::pass);
}

TEST_CASE("that no echo may be sent, and what was said to one, is told where nothing is known") {
  PathFindings none;
  none.not_permitted = "no echo may be sent here";
  CHECK(judge(Layer::path, none).measured == "no echo may be sent here");
  CHECK(judge(Layer::path, echo("", 0)).measured == "no echo is answered, which says nothing");
  none.echoes = echo("", 0).echoes;  // to the other family's address
  CHECK(judge(Layer::path, none).measured == "no echo is answered, which says nothing");
  for (const char* filter : {"Packet filtered", "Communication prohibited", "Port Unreachable"}) {
    PathFindings said = echo("", 0);
    said.echoes.front().detail = filter;
    check(judge(Layer::path, said), CheckResult::skip);
    CHECK(judge(Layer::path, said).measured == std::string{"198.51.100.2: "} + filter);
  }
}

TEST_CASE("a hole for large packets is no less one because TCP connects") {
  PathFindings found = echo("198.51.100.2", 63);
  found.large = {large(1420, false), large(1400, true)};
  StepFindings stalled;
  stalled.failure = Failure{Cause::phase_timed_out, "exchange keys with", "relay.example:22", "no answer"};
  const Diagnosis diagnosis = diagnose({{Layer::path, found},
                                        {Layer::tcp, connected()},
                                        {Layer::banner, StepFindings{}},
                                        {Layer::key_exchange, stalled}});
  CHECK(diagnosis.answer == Layer::path);
  check(of(diagnosis, Layer::path), CheckResult::fail, Cause::path_mtu);
  CHECK(of(diagnosis, Layer::key_exchange).hidden_by == Layer::path);
  const Diagnosis through =
      diagnose({{Layer::path, found}, {Layer::tcp, connected()}, {Layer::key_exchange, StepFindings{}}});
  check(of(through, Layer::path), CheckResult::warn, Cause::path_mtu);
}

TEST_CASE("who answers echoes in the relay's place and hands on the rest does no harm") {
  const Diagnosis diagnosis = diagnose({{Layer::path, echo("198.51.100.2", 64)}, {Layer::tcp, connected()}});
  CHECK_FALSE(diagnosis.answer);
}

// ---- TCP ----------------------------------------------------------------------------------------------------------

TEST_CASE("one address that takes connections is enough") {
  TcpFindings found = connected();
  found.tries.front().took = 1000ms;
  CHECK(judge(Layer::tcp, found).measured == "198.51.100.2:22 takes connections, after 1.0 s");
  found.tries.insert(found.tries.begin(), attempt(Cause::unreachable, "Network is unreachable"));
  check(judge(Layer::tcp, found), CheckResult::pass);
}

TEST_CASE("silence is shown with what was captured, and with what another port says") {
  TcpFindings found = tcp({attempt(Cause::connection_timed_out)});
  found.captured = true;
  TcpFindings::Try refused = attempt(Cause::connection_refused);
  refused.to = "198.51.100.2:443";
  found.others = {refused};
  const Judgement judgement = judge(Layer::tcp, found);
  CHECK(judgement.evidence == std::vector<std::string>{"captured: nothing came back",
                                                       "198.51.100.2:443 refuses: packets to there come back"});
}

TEST_CASE("a host is taken out of its brackets only where both are there") {
  CHECK(host_of("[2001:db8::1]:22") == "2001:db8::1");
  CHECK(host_of("192.0.2.7:22") == "192.0.2.7");
  CHECK(host_of("[half:22") == "[half");
  CHECK(host_of("half]:22") == "half]");
}

TEST_CASE("the default routes stand beside the way, and of a wanted interface only its own count as tied") {
  const Judgement judgement = judge(Layer::route, routes({default_route("wwan0", 100)}, {way()}));
  CHECK(judgement.evidence == std::vector<std::string>{"default route: wwan0 by 10.64.0.1 (IPv4, metric 100)"});
  RouteFindings found =
      routes({default_route("wwan0", 100), default_route("eth0", 100), default_route("eth1", 100)}, {way()});
  CHECK(judge(Layer::route, found).cause == Cause::routes_tied);
  found.wanted = "wwan0";
  CHECK_FALSE(judge(Layer::route, found).cause);
}

TEST_CASE("of several addresses that say as much the first is the answer") {
  TcpFindings::Try other = attempt(Cause::connection_timed_out);
  other.to = "198.51.100.3:22";
  CHECK(judge(Layer::tcp, tcp({attempt(Cause::connection_timed_out), other})).measured.starts_with("198.51.100.2:22"));
}

TEST_CASE("of several addresses the one that says most is the answer") {
  const TcpFindings found =
      tcp({attempt(Cause::connection_timed_out), attempt(Cause::connection_refused, "Connection refused")});
  check(judge(Layer::tcp, found), CheckResult::fail, Cause::connection_refused);
}

TEST_CASE("a port that does not answer while another one connects is blocked") {
  TcpFindings found = tcp({attempt(Cause::connection_timed_out)});
  found.others = {connected().tries.front()};
  check(judge(Layer::tcp, found), CheckResult::fail, Cause::port_blocked);
  found.others.front().failed = Cause::connection_refused;
  check(judge(Layer::tcp, found), CheckResult::fail, Cause::connection_timed_out);
}

TEST_CASE("an answer from another address was seen by capture") {
  TcpFindings found = tcp({attempt(Cause::connection_timed_out)});
  found.captured = true;
  found.tries.front().answered_from = "203.0.113.9";
  check(judge(Layer::tcp, found), CheckResult::fail, Cause::answered_from_elsewhere);
}

TEST_CASE("a reset from nearer than the relay is somebody else's") {
  TcpFindings found = tcp({attempt(Cause::connection_refused, "Connection refused")});
  found.tries.front().answered_from = "198.51.100.2";
  found.tries.front().ttl = 64;
  const auto judged = [&] {
    return of(diagnose({{Layer::path, echo("198.51.100.2", 60)}, {Layer::tcp, found}}), Layer::tcp);
  };
  check(judged(), CheckResult::fail, Cause::reset_on_the_way);
  found.tries.front().ttl = 60;
  check(judged(), CheckResult::fail, Cause::connection_refused);
  found.tries.front().ttl = 124;  // as far away, by another scale
  check(judged(), CheckResult::fail, Cause::connection_refused);
  found.tries.front().ttl.reset();
  found.tries.front().short_of_relay = true;
  check(judged(), CheckResult::fail, Cause::reset_on_the_way);
}

TEST_CASE("an ICMP error for the port alone, or a filter's, is somebody who forbids") {
  const TcpFindings found = tcp({attempt(Cause::unreachable, "No route to host")});
  check(judge(Layer::tcp, found), CheckResult::fail, Cause::unreachable);
  check(of(diagnose({{Layer::path, echo("198.51.100.2", 63)}, {Layer::tcp, found}}), Layer::tcp), CheckResult::fail,
        Cause::reset_on_the_way);
  PathFindings filtered = echo("", 0);
  filtered.echoes.front().detail = "Packet filtered from 10.0.0.1";
  check(of(diagnose({{Layer::path, filtered}, {Layer::tcp, found}}), Layer::tcp), CheckResult::fail,
        Cause::reset_on_the_way);
}

TEST_CASE("no answer is seen beside what became of an echo") {
  const TcpFindings found = tcp({attempt(Cause::connection_timed_out)});
  const Judgement judgement = of(diagnose({{Layer::path, echo("203.0.113.9", 63)}, {Layer::tcp, found}}), Layer::tcp);
  CHECK(judgement.hidden_by == Layer::path);
  CHECK(judgement.evidence.front() == "an echo to it was answered by 203.0.113.9");
  CHECK(of(diagnose({{Layer::path, echo("", 0)}, {Layer::tcp, found}}), Layer::tcp).evidence.empty());
  CHECK(of(diagnose({{Layer::path, echo("198.51.100.2", 64)}, {Layer::tcp, found}}), Layer::tcp).evidence.front() ==
        "what answers an echo to it is nearer than it is");
  CHECK(of(diagnose({{Layer::path, echo("198.51.100.2", 63)}, {Layer::tcp, found}}), Layer::tcp).evidence.front() ==
        "it answers an echo: a firewall drops the port, or its answers leave elsewhere");
}

// ---- together -----------------------------------------------------------------------------------------------------

TEST_CASE("a name that needs nobody shows nothing of the way below it") {
  NameFindings literal;
  literal.name = "198.51.100.2";
  literal.literal = true;
  const Diagnosis diagnosis = diagnose({{Layer::route, routes({default_route("eth1", 0)}, {way()})},
                                        {Layer::neighbour, gateway("failed", false, {})},
                                        {Layer::name, literal},
                                        {Layer::path, echo("", 0)},
                                        {Layer::tcp, tcp({attempt(Cause::connection_timed_out)})}});
  CHECK(diagnosis.answer == Layer::neighbour);
  check(of(diagnosis, Layer::neighbour), CheckResult::fail, Cause::gateway_silent);
  CHECK(of(diagnosis, Layer::tcp).hidden_by == Layer::neighbour);
}

TEST_CASE("an address that this device has no way to says less than one that does not answer") {
  PathFindings path = echo("", 0);
  PathFindings::Echo six = path.echoes.front();
  six.to = "2001:db8::1";
  six.detail = "Network is unreachable";
  path.echoes.push_back(six);
  check(judge(Layer::path, path), CheckResult::skip);
  TcpFindings::Try no_way = attempt(Cause::unreachable, "Network is unreachable");
  no_way.to = "[2001:db8::1]:22";
  TcpFindings tried = tcp({no_way, attempt(Cause::connection_timed_out)});
  check(judge(Layer::tcp, tried), CheckResult::fail, Cause::connection_timed_out);
  TcpFindings::Try other;
  other.to = "198.51.100.2:443";
  tried.others = {other};
  check(judge(Layer::tcp, tried), CheckResult::fail, Cause::port_blocked);
}

TEST_CASE("an address that refuses says more than one that somebody can't reach, and that more than silence") {
  TcpFindings::Try unreachable = attempt(Cause::unreachable, "No route to host");
  unreachable.to = "[2001:db8::1]:22";
  for (const Cause other : {Cause::connection_refused, Cause::connection_timed_out}) {
    const Cause told = other == Cause::connection_refused ? other : Cause::unreachable;
    check(judge(Layer::tcp, tcp({unreachable, attempt(other)})), CheckResult::fail, told);
    check(judge(Layer::tcp, tcp({attempt(other), unreachable})), CheckResult::fail, told);
  }
}

TEST_CASE("a gateway that answers says nothing of an address that is not there") {
  NeighbourFindings gateway;
  gateway.gateways = {{"192.0.2.1", "eth0", "reachable", {"02:00:00:00:00:01"}, true}};
  AddressFindings addresses;
  addresses.addresses = {{"eth0", "192.0.2.7"}};
  addresses.addresses.front().way_out = true;
  addresses.wanted = "192.0.2.9";
  const Diagnosis diagnosis = diagnose({{Layer::address, addresses}, {Layer::neighbour, gateway}});
  check(of(diagnosis, Layer::address), CheckResult::fail, Cause::local_address_unavailable);
  const Diagnosis no_way = diagnose({{Layer::route, RouteFindings{}}, {Layer::neighbour, gateway}});
  check(of(no_way, Layer::route), CheckResult::fail, Cause::no_default_route);
}
