#pragma once

#include "holdfast/config.hpp"
#include "holdfast/time.hpp"
#include "holdfast/tunnel.hpp"

namespace holdfast {

/// How long a phase may take after an outage of this length. Among several relays, one that does not answer in time is
/// left for the next one, and so is an address with another one to turn to.
Duration limit_of(OpeningPhase phase, const TunnelSpec& spec, Duration outage, bool another_address);

}  // namespace holdfast
