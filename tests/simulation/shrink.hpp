#pragma once

#include <string>
#include <vector>

#include "simulation/run.hpp"

namespace holdfast::simulation {

/// The least that still breaks the same promise.
struct Shrunk {
  Setup setup;
  std::vector<Fault> faults;
  std::vector<Fed> fed;    ///< to step(), from the last boot on
  bool by_events = false;  ///< fed anew without a world, these break it as well: they are a unit test
  Violation broken;
};

/// Leaves out what is not needed: of the setup, of the faults, and then of the events. Begins no further run `at_most`
/// after it began.
Shrunk shrink(const Setup& setup, const std::vector<Fault>& faults, const Violation& broken, Duration at_most);

/// Of a run that no world is known of: of its events, and of its spec what a unit test need not say.
Shrunk shrink(const TunnelSpec& spec, std::vector<Fed> fed, const Violation& broken, Duration at_most);

/// As it would stand in tests/unit/core/, with tunnel_fixture.hpp; the faults as comments.
std::string as_unit_test(const Shrunk& shrunk, const std::string& name);

}  // namespace holdfast::simulation
