#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/findings.hpp"

namespace holdfast::doctor {

/// Asks each of the name servers that this device is told to use by itself, all at once, for the name's addresses; and
/// for a name that can't exist. Nobody is asked for what stands in /etc/hosts. Blocks for a few seconds at most.
NameFindings ask_name_servers(const std::string& name, AddressFamily family);

}  // namespace holdfast::doctor
