#include <doctest/doctest.h>

#include <sstream>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

struct NamedState {
  std::string_view name;
  TunnelState state;
};

/// One of each state, all with one forward and at attempt 1; a proof is under way where there can be one.
std::vector<NamedState> all_states() {
  std::vector<NamedState> states;
  SteppedTunnel tunnel{spec_with(1, 1h)};
  states.push_back({"idle", tunnel.state});
  tunnel.after(Start{});
  states.push_back({"opening", tunnel.state});
  tunnel.state = {};
  states.push_back({"standing_by", tunnel.stand_by().state});
  tunnel.state = {};
  states.push_back({"requesting_forwards", tunnel.authenticate().state});
  tunnel.state = {};
  states.push_back({"established", tunnel.establish().state});
  states.push_back({"draining", tunnel.after(StopRequested{}).state});
  states.push_back({"closing", tunnel.wait().state});
  states.push_back({"stopped", tunnel.wait().state});
  tunnel.state = {};
  tunnel.now = TimePoint{1h};
  states.push_back({"backing_off", tunnel.after(Start{}).session(SessionFailed{lost()}).state});
  return states;
}

struct NamedEvent {
  std::string_view name;
  TunnelEvent event;
};

std::vector<NamedEvent> all_events() {
  const auto session = [](SessionEvent event) { return OfSession{1, std::move(event)}; };
  return {{"Start", Start{}},
          {"Proceed", Proceed{}},
          {"StopRequested", StopRequested{}},
          {"StopNow", StopNow{}},
          {"ReconnectRequested", ReconnectRequested{}},
          {"TimerExpired", TimerExpired{}},
          {"NetworkChanged", NetworkChanged{}},
          {"PhaseCompleted", session(PhaseCompleted{OpeningPhase::resolve})},
          {"ForwardAnswered", session(ForwardAnswered{0, 4649})},
          {"ForwardRefused", session(ForwardAnswered{0, std::nullopt})},
          {"Knocked", session(Knocked{0, KnockAnswer::answered})},
          {"Evicted", session(Evicted{0, EvictOutcome::freed, ""})},
          {"ProofAdvanced", session(ProofAdvanced{0, ProofNews::target_failed})},
          {"LeaseOpened", session(LeaseOpened{})},
          {"LeaseLost", session(LeaseLost{"no shell"})},
          {"ListenerCancelled", session(ListenerCancelled{0})},
          {"Received", session(Received{true})},
          {"TransportStalled",
           session(TransportStalled{
               {.unacknowledged = 1400, .repetitions = 4, .later_arrived = true, .segment_size = 1400}})},
          {"ConnectionsDrained", session(ConnectionsDrained{})},
          {"RelayLookedAt", session(RelayLookedAt{})},
          {"ConnectionsIdle", session(ConnectionsIdle{})},
          {"SessionFailed", session(SessionFailed{lost()})},
          {"SessionClosed", session(SessionClosed{})}};
}

/// "draining: DrainConnections CancelForward", or "-" when neither the phase changed nor anything is to be done.
std::string outcome(const TunnelState& before, const TunnelEvent& event) {
  const TunnelSpec spec = spec_with(1, 1h);
  // Later than every deadline, so that an expired timer always means something.
  const Step result = step(spec, before, event, TimePoint{2h}, [] { return 0.5; });
  std::ostringstream text;
  for (const TunnelAction& action : result.actions) {
    if (!std::holds_alternative<Happened>(action)) text << " " << action_name(action);
  }
  if (text.str().empty() && result.next.phase.index() == before.phase.index()) return "-";
  return std::string{phase_name(result.next.phase)} + text.str();
}

// What each state makes of each event. "-": it stays as it is and nothing is done.
constexpr const char* expected =
#include "tunnel_table.inc"
    ;

}  // namespace

TEST_CASE("every state has a defined answer to every event") {
  std::ostringstream table;
  for (const auto& [state_name, state] : all_states()) {
    REQUIRE(phase_name(state.phase) == state_name);
    table << state_name << "\n";
    for (const auto& [event_name, event] : all_events()) {
      table << "  " << event_name << " => " << outcome(state, event) << "\n";
    }
  }
  CHECK(all_states().size() == std::variant_size_v<Phase>);
  CHECK(table.str() == expected);
}
