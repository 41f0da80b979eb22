#include "holdfast/relays.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

using namespace holdfast;

namespace {

TunnelSpec spec_of(const std::vector<std::string>& names, RelaySelection selection = RelaySelection::hash) {
  TunnelSpec spec;
  spec.relay_selection = selection;
  for (const std::string& name : names) spec.relays.push_back({name, 22, "/known", {}});
  return spec;
}

std::vector<std::string> order(const std::vector<std::string>& names, const std::string& device) {
  std::vector<std::string> ordered;
  for (const RelaySpec& relay : in_order_of_preference(spec_of(names), device).relays)
    ordered.push_back(relay.host_name);
  return ordered;
}

/// As they are named in practice: by a common name and a number, and all with the same machine-id's hash at worst.
std::vector<std::string> fleet(int size) {
  std::vector<std::string> devices;
  devices.reserve(static_cast<std::size_t>(size));
  for (int number = 0; number < size; ++number) devices.push_back("gateway-" + std::to_string(number) + "-0badcafe");
  return devices;
}

const std::vector<std::string> four{"relay1.example", "relay2.example", "relay3.example", "relay4.example"};

}  // namespace

TEST_CASE("an ordered list is preferred as it stands") {
  const TunnelSpec spec = spec_of({"b", "a", "c"}, RelaySelection::ordered);
  CHECK(in_order_of_preference(spec, "device") == spec);
}

TEST_CASE("a tunnel without a list has its one relay") {
  TunnelSpec spec;
  spec.host_name = "relay.example";
  spec.port = 2222;
  spec.user_known_hosts_file = "/known";
  spec.host_key_fingerprint = {"SHA256:x"};
  const std::vector<RelaySpec> one{{"relay.example", 2222, "/known", {"SHA256:x"}}};
  CHECK(relays_of(spec) == one);
  CHECK(at_relay(spec, one.at(0)) == spec);
  CHECK(in_order_of_preference(spec, "device") == spec);
}

TEST_CASE("a tunnel at one relay of its list is one of that relay alone") {
  TunnelSpec spec;
  spec.relays = {{"a.example", 2201, "/known_a", {"SHA256:a"}}, {"b.example", 2202, "/known_b", {"SHA256:b"}}};
  const TunnelSpec there = at_relay(spec, spec.relays.at(1));
  CHECK(there.relays.empty());
  CHECK(relays_of(there) == std::vector<RelaySpec>{spec.relays.at(1)});
}

TEST_CASE("a device draws the same weight for a relay for ever") {
  CHECK(relay_weight("", "") == 0xb9034ad37056f5fbU);
  CHECK(relay_weight("gateway-7-0badcafe", "relay1.example:22") == 0x22c1a2d1e5252653U);
  CHECK(relay_weight("ab", "c") != relay_weight("a", "bc"));
}

TEST_CASE("the order of the list in the file does not matter to a hash") {
  for (const std::string& device : fleet(50)) {
    CHECK(order(four, device) == order({four[2], four[0], four[3], four[1]}, device));
  }
}

TEST_CASE("a fleet spreads itself evenly over the relays, as first choice and as second") {
  std::map<std::string, int> first;
  std::map<std::string, std::map<std::string, int>> second;
  for (const std::string& device : fleet(12000)) {
    const auto preferred = order(four, device);
    ++first[preferred[0]];
    ++second[preferred[0]][preferred[1]];
  }
  for (const std::string& relay : four) {
    CAPTURE(relay);
    CHECK(first[relay] > 2800);
    CHECK(first[relay] < 3200);
    // Whoever loses this relay goes to the other three alike.
    CHECK(second[relay].size() == 3);
    for (const auto& other : second[relay]) {
      CAPTURE(other.first);
      CHECK(other.second > 880);
      CHECK(other.second < 1120);
    }
  }
}

TEST_CASE("a relay that is removed moves its own devices only, one that is added takes its share and no more") {
  const std::vector<std::string> three{four[0], four[1], four[2]};
  int moved = 0;
  for (const std::string& device : fleet(4000)) {
    const auto with = order(four, device);
    auto without = with;
    std::erase(without, four[3]);
    REQUIRE(order(three, device) == without);
    if (with[0] != without[0]) ++moved;
  }
  CHECK(moved > 900);
  CHECK(moved < 1100);
}
