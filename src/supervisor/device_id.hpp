#pragma once

#include <string>

namespace holdfast::supervisor {

/// Names this device in its leases on a relay, the same after each boot: the host's name and eight hexadecimal digits
/// of a hash of /etc/machine-id, which itself is not to be shown to others (machine-id(5)). Letters, digits, dots,
/// dashes and underscores, at most 64.
std::string device_id();

/// The same, from what it is made of.
std::string device_id(const std::string& host_name, const std::string& machine_id);

}  // namespace holdfast::supervisor
