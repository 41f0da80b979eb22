#pragma once

#include "holdfast/findings.hpp"

namespace holdfast::doctor {

/// Asks by ARP whether another machine has an IPv4 address of ours too, as RFC 5227 (2.1.1) does: the kernel does not.
/// Nobody learns anything of us from it. Needs CAP_NET_RAW; without that nothing is found out. Blocks for less than a
/// second.
void find_duplicates(AddressFindings& found);

}  // namespace holdfast::doctor
