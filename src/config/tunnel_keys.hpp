#pragma once

#include <span>

#include "config/value.hpp"
#include "holdfast/config.hpp"

namespace holdfast::config {

/// Every key of a tunnel, in the order of docs/configuration.md.
std::span<const Key<TunnelSpec>> tunnel_keys();

}  // namespace holdfast::config
