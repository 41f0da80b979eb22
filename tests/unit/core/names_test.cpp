// The names are in the status and in recordings, and so in people's scripts: an enumerator may be added, none may be
// called anew.

#include <doctest/doctest.h>

#include <string>

#include "holdfast/diagnosis.hpp"
#include "holdfast/enumerators.hpp"
#include "holdfast/report.hpp"

using namespace holdfast;

namespace {

std::string_view to_string(Health health) {
  return spelling(health).name;
}

/// As they are written, in the order of the enumeration.
template <class Enum>
std::string names_of() {
  std::string names;
  for (const Enum each : enumerators<Enum>) names += (names.empty() ? "" : " ") + std::string{to_string(each)};
  return names;
}

}  // namespace

TEST_CASE("the names of a tunnel's status stay") {
  CHECK(names_of<PhaseKind>() ==
        "idle opening standing_by requesting_forwards established draining closing backing_off stopped unknown");
  CHECK(names_of<OpeningPhase>() == "resolve connect banner key_exchange authenticate");
  CHECK(names_of<LossOf>() == "session listener path lease");
  CHECK(names_of<TimeoutOf>() == "idle_connection session idle_lease");
  CHECK(names_of<Health>() == "ok warning critical unknown");
}

TEST_CASE("the names of a listener's status stay") {
  CHECK(names_of<ForwardState>() == "pending requested knocking identifying evicting held refused");
  CHECK(names_of<Refusal>() == "unexplained policy held_live held_stale held_by_other_device held_by_twin");
  CHECK(names_of<ListensOn>() == "unknown as_asked loopback_only ipv6_only ipv4_only everywhere");
  CHECK(names_of<ProofResult>() == "verified connected target_down not_permitted lookup_failed path_broken unanswered");
}

TEST_CASE("the names of what doctor finds stay") {
  CHECK(names_of<CheckResult>() == "pass warn fail skip");
  CHECK(names_of<Layer>() ==
        "device modem link address route neighbour name path tcp banner key_exchange host_key authentication session "
        "listener lease proof target keepalive");
}
