#include "config/relays.hpp"

#include <algorithm>
#include <array>

#include "config/forward_syntax.hpp"
#include "config/types.hpp"
#include "config/wording.hpp"
#include "holdfast/words.hpp"

namespace holdfast::config {
namespace {

constexpr std::array relay_keys{
    key<HostName, &RelaySpec::host_name>("host_name"),
    key<Number<1, 65535>, &RelaySpec::port>("port"),
    key<Path, &RelaySpec::user_known_hosts_file>("user_known_hosts_file"),
    key<ListOf<Fingerprint>, &RelaySpec::host_key_fingerprint>("host_key_fingerprint"),
};

void read_relay(const Value& value, RelaySpec& into) {
  into.port = 0;
  if (value.node().kind == Node::Kind::mapping) {
    const Given given = read_record<RelaySpec>(value, relay_keys, into);
    if (!given.contains("host_name")) value.refuse("required key 'host_name' is missing");
    return take_port(given, into.port);
  }
  const auto text = value.text();
  if (!text) return;
  auto relay = parse_relay(*text);
  if (!relay) return value.refuse(quote(*text) + ": " + relay.error());
  into.host_name = std::move(relay->host);
  into.port = relay->port;
}

/// Names are the same in any case (RFC 4343).
std::string identity(const RelaySpec& relay) {
  return lower(relay_name(relay));
}

}  // namespace

void HostNames::read(const Value& value, TunnelSpec& into) {
  into.relays.clear();
  if (value.node().kind != Node::Kind::list) return HostName::read(value, into.host_name);
  into.host_name.clear();
  for (const Value& item : value.items()) read_relay(item, into.relays.emplace_back());
  if (into.relays.empty()) value.refuse("the list is empty; a tunnel needs at least one relay");
}

Node HostNames::write(const TunnelSpec& spec) {
  if (spec.relays.empty()) return HostName::write(spec.host_name);
  std::vector<Node> items;
  items.reserve(spec.relays.size());
  for (const RelaySpec& relay : spec.relays) items.push_back(write_record<RelaySpec>(relay_keys, relay));
  return Node::list(std::move(items));
}

void take_port(const Given& given, std::uint16_t& port) {
  const auto host = given.find("host_name");
  if (host == given.end() || host->second.node().kind != Node::Kind::scalar) return;
  const auto relay = parse_relay(host->second.node().text);
  if (!relay || relay->port == 0) return;
  if (given.contains("port"))
    return host->second.refuse(quote(host->second.node().text) + ": 'port' is given too; leave one of the two out");
  port = relay->port;
}

void complete_relays(const std::vector<Value>& items, TunnelSpec& spec) {
  for (RelaySpec& relay : spec.relays) {
    if (relay.port == 0) relay.port = spec.port;
    if (relay.user_known_hosts_file.empty()) relay.user_known_hosts_file = spec.user_known_hosts_file;
    if (relay.host_key_fingerprint.empty()) relay.host_key_fingerprint = spec.host_key_fingerprint;
  }
  for (std::size_t index = 0; index < spec.relays.size(); ++index) {
    const RelaySpec& relay = spec.relays[index];
    const auto first = std::find_if(spec.relays.begin(), spec.relays.end(),
                                    [&](const RelaySpec& other) { return identity(other) == identity(relay); });
    const auto found = static_cast<std::size_t>(first - spec.relays.begin());
    // Without a name, which was refused already, it is the same as no other.
    if (found == index || relay.host_name.empty()) continue;
    items[index].refuse(relay_name(relay) + " is in the list twice; first in line " +
                        std::to_string(items[found].mark().line));
  }
}

}  // namespace holdfast::config
