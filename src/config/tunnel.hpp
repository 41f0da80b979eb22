#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.hpp"
#include "holdfast/config.hpp"

namespace holdfast::config {

/// Tunnels' names go into URLs, log fields and file names.
bool is_tunnel_name(std::string_view name);
inline constexpr std::string_view tunnel_name_rule =
    "a tunnel's name has 1 to 64 letters, digits, '_', '.' or '-', the last two not in front";

/// What every tunnel starts from: the built-in values, and over them what `defaults:` gives.
struct Defaults {
  TunnelSpec spec;
  Given given;
};

void read_defaults(const Value& value, Defaults& defaults);

/// A tunnel as read, with the places that later checks complain about.
struct TunnelEntry {
  TunnelSpec spec;
  std::vector<Value> forwards;          ///< parallel to spec.remote_forward
  std::map<std::string, Value> places;  ///< "KEY[ITEM]", "KEY" and "", which is the tunnel's name
};

/// Reads one tunnel and checks it as a whole: what is missing, what contradicts itself, what will be regretted.
TunnelEntry read_tunnel(const Value::Member& tunnel, const Defaults& defaults);

/// All keys of a tunnel but its name.
Node write_tunnel(const TunnelSpec& spec);

}  // namespace holdfast::config
