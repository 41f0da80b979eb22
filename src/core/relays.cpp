#include "holdfast/relays.hpp"

#include <algorithm>

#include "holdfast/hash.hpp"

namespace holdfast {
namespace {

/// The finalizer of MurmurHash3: FNV alone leaves texts that differ in their last letters close to each other.
std::uint64_t mixed(std::uint64_t hash) {
  hash = (hash ^ (hash >> 33U)) * 0xff51afd7ed558ccdU;
  hash = (hash ^ (hash >> 33U)) * 0xc4ceb9fe1a85ec53U;
  return hash ^ (hash >> 33U);
}

}  // namespace

std::vector<RelaySpec> relays_of(const TunnelSpec& spec) {
  if (!spec.relays.empty()) return spec.relays;
  return {{spec.host_name, spec.port, spec.user_known_hosts_file, spec.host_key_fingerprint}};
}

TunnelSpec at_relay(TunnelSpec spec, const RelaySpec& relay) {
  spec.relays.clear();
  spec.host_name = relay.host_name;
  spec.port = relay.port;
  spec.user_known_hosts_file = relay.user_known_hosts_file;
  spec.host_key_fingerprint = relay.host_key_fingerprint;
  return spec;
}

bool checks_host_key(const TunnelSpec& spec, const RelaySpec& relay) {
  return spec.strict_host_key_checking != StrictHostKeyChecking::no || !relay.host_key_fingerprint.empty();
}

TunnelSpec in_order_of_preference(TunnelSpec spec, std::string_view device_id) {
  switch (spec.relay_selection) {
    case RelaySelection::ordered:
      return spec;
    case RelaySelection::hash:
      std::stable_sort(spec.relays.begin(), spec.relays.end(), [&](const RelaySpec& one, const RelaySpec& other) {
        return relay_weight(device_id, relay_name(one)) > relay_weight(device_id, relay_name(other));
      });
      return spec;
  }
  return spec;
}

std::uint64_t relay_weight(std::string_view device_id, std::string_view relay_name) {
  // The separator is in neither text: "a" at "bc" is not "ab" at "c".
  return mixed(fnv1a(relay_name, fnv1a(std::string_view{"\0", 1}, fnv1a(device_id))));
}

}  // namespace holdfast
