#pragma once

#include "holdfast/backoff.hpp"
#include "holdfast/config.hpp"
#include "holdfast/time.hpp"

namespace holdfast {

/// What each part of a tunnel is told when it is its turn.
struct Turn {
  const TunnelSpec& spec;
  TimePoint now;
  const UnitRandom& jitter;
};

}  // namespace holdfast
