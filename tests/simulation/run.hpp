#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "simulation/device.hpp"
#include "simulation/faults.hpp"
#include "simulation/promises.hpp"
#include "simulation/relay.hpp"

namespace holdfast::simulation {

/// A device with its relays: all that a seed decides besides the faults.
struct Setup {
  std::uint64_t seed = 0;
  Duration span{};
  TunnelSpec spec;
  std::vector<RelayConfig> relays;
  bool dns_cache = true;
};
Setup draw_setup(std::uint64_t seed, Profile profile, Duration span);
std::vector<Fault> draw_faults(const Setup& setup, Profile profile);

struct Outcome {
  std::optional<Violation> broken;
  std::uint64_t steps = 0;
  Duration simulated{};
};
/// From the boot to a stop after `span`, or until a promise is broken. `fed`: what went into step() since the last
/// boot.
Outcome play(const Setup& setup, const std::vector<Fault>& faults, std::vector<Fed>* fed = nullptr);

}  // namespace holdfast::simulation
