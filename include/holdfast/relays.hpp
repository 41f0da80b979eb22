#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/config.hpp"

namespace holdfast {

/// The relays that may hold the tunnel, at least one.
std::vector<RelaySpec> relays_of(const TunnelSpec& spec);

/// The tunnel as if this one were its only relay.
TunnelSpec at_relay(TunnelSpec spec, const RelaySpec& relay);

/// Does a finished key exchange prove that this is the relay? Not with strict_host_key_checking: no and without pins.
bool checks_host_key(const TunnelSpec& spec, const RelaySpec& relay);

/// The tunnel with its relays in the order in which this device prefers them: as they are, or with RelaySelection::hash
/// by falling relay_weight(). So each device has an order of its own, and a fleet spreads itself evenly. A relay that
/// is lost leaves its devices to all the others in equal parts. One that is added or removed moves no device but its
/// own ("rendezvous" or highest random weight hashing; Thaler and Ravishankar, 1998).
TunnelSpec in_order_of_preference(TunnelSpec spec, std::string_view device_id);

/// What this device draws for this relay. The same for ever, for the same texts: a fleet must not move because some of
/// its devices were updated (docs/decisions/0006-*).
std::uint64_t relay_weight(std::string_view device_id, std::string_view relay_name);

}  // namespace holdfast
