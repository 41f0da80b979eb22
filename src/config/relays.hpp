#pragma once

#include <cstdint>
#include <vector>

#include "config/tunnel.hpp"
#include "config/value.hpp"
#include "holdfast/config.hpp"

namespace holdfast::config {

/// `host_name`: one relay's name or address, or a list of relays. What an item of the list does not give stays empty,
/// its port 0, until complete_relays().
struct HostNames {
  static void read(const Value& value, TunnelSpec& into);
  static Node write(const TunnelSpec& spec);
};

/// Keeps the port that stands in `host_name`, if there is one; refuses it if the key 'port' was given beside it.
void take_port(const Given& given, std::uint16_t& port);

/// Gives each relay of the list what it has from its tunnel. `items` is the list in the file.
void complete_relays(const std::vector<Value>& items, TunnelSpec& spec);

}  // namespace holdfast::config
