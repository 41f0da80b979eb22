#pragma once

#include <vector>

#include "config/tunnel.hpp"

namespace holdfast::config {

/// A relay gives a listener once, whichever tunnel or account asks for it.
void refuse_colliding_listeners(const std::vector<TunnelEntry>& tunnels);

}  // namespace holdfast::config
