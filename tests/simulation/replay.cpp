#include "simulation/replay.hpp"

#include <utility>

#include "record/text.hpp"
#include "simulation/watch.hpp"

namespace holdfast::simulation {
namespace {

std::string decided(const std::string& state, const std::string& actions) {
  return state + (actions.empty() ? "" : " : ") + actions;
}

}  // namespace

Replayed replay(const record::RecordedTunnel& tunnel) {
  Replayed replayed;
  TunnelState state;
  Watch watch{tunnel.spec};
  for (const record::RecordedStep& each : tunnel.steps) {
    const auto* of_session = std::get_if<OfSession>(&each.event);
    const bool late = of_session != nullptr && of_session->attempt != state.attempt;
    replayed.fed.push_back({each.at, each.event, each.dice, late, false});
    std::size_t drawn = 0;
    Step result = step(tunnel.spec, std::move(state), each.event, each.at, [&] {
      const std::size_t index = drawn++;
      return index < each.dice.size() ? each.dice[index] : 0.5;
    });
    std::string now = decided(record::to_text(result.next), record::to_text(result.actions));
    std::string recorded = decided(each.state, each.actions);
    if (drawn != each.dice.size()) {
      now += ", after " + std::to_string(drawn) + " dice";
      recorded += ", after " + std::to_string(each.dice.size()) + " dice";
    }
    if (now != recorded) {
      replayed.differs = Difference{each.line, std::move(recorded), std::move(now)};
      return replayed;
    }
    state = std::move(result.next);
    watch.saw(each.event, state, result.actions, each.at);
    replayed.broken = watch.broken();
    if (replayed.broken) return replayed;
  }
  return replayed;
}

}  // namespace holdfast::simulation
