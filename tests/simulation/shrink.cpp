#include "simulation/shrink.hpp"

#include <algorithm>
#include <functional>
#include <iterator>

#include "simulation/watch.hpp"
#include "simulation/words.hpp"

namespace holdfast::simulation {
namespace {

using namespace std::chrono_literals;

/// Leaves out halves, then quarters, ... then single ones (Zeller and Hildebrandt's ddmin, 2002, complements only).
template <class Item>
std::vector<Item> smallest(std::vector<Item> items, TimePoint until,
                           const std::function<bool(const std::vector<Item>&)>& still_breaks) {
  for (std::size_t part = std::max<std::size_t>(items.size() / 2, 1); Clock::now() < until;) {
    bool shorter = false;
    for (std::size_t from = 0; from < items.size() && Clock::now() < until;) {
      const auto first = items.begin() + static_cast<std::ptrdiff_t>(from);
      const auto last = items.begin() + static_cast<std::ptrdiff_t>(std::min(from + part, items.size()));
      std::vector<Item> fewer(items.begin(), first);
      fewer.insert(fewer.end(), last, items.end());
      if (still_breaks(fewer)) {
        items = std::move(fewer);
        shorter = true;
      } else {
        from += part;
      }
    }
    if (part == 1 && !shorter) break;
    part = std::max<std::size_t>(part / 2, 1);
  }
  return items;
}

std::optional<Violation> feed_again(const TunnelSpec& spec, const std::vector<Fed>& fed) {
  TunnelState state;
  Watch watch{spec};
  TimePoint now{};
  for (const Fed& each : fed) {
    now = std::max(now, each.at);
    if (each.due) now = std::max(now, next_deadline(state).value_or(now));
    TunnelEvent event = each.event;
    if (auto* of_session = std::get_if<OfSession>(&event); of_session != nullptr && !each.late)
      of_session->attempt = state.attempt;
    Step result = step(spec, std::move(state), event, now, [&] { return each.dice; });
    state = std::move(result.next);
    watch.saw(event, state, result.actions, now);
    if (watch.broken()) return watch.broken();
  }
  return std::nullopt;
}

std::vector<Setup> simpler_ones(const Setup& setup) {
  const TunnelSpec usual;
  std::vector<Setup> simpler(8, setup);
  simpler[0].spec.lease = false;
  simpler[1].spec.verify_interval = 0s;
  simpler[2].spec.remote_forward.resize(1);
  simpler[3].spec.relays.clear();
  simpler[3].spec.host_name = "relay.example";
  simpler[3].relays.resize(1);
  simpler[4].spec.liveness = usual.liveness;
  simpler[5].spec.fail_back_after = usual.fail_back_after;
  simpler[6].spec.drain_timeout = usual.drain_timeout;
  simpler[7].spec.exit_on_forward_failure = usual.exit_on_forward_failure;
  return simpler;
}

std::vector<Fault> that_fit(std::vector<Fault> faults, const Setup& setup) {
  std::erase_if(faults, [&](const Fault& fault) {
    return fault.relay >= setup.relays.size() || fault.forward >= setup.spec.remote_forward.size();
  });
  return faults;
}

/// Whole milliseconds and middling dice, where those do.
std::vector<Fed> rounded(std::vector<Fed> fed) {
  for (Fed& each : fed) {
    each.at = std::chrono::ceil<std::chrono::milliseconds>(each.at);
    each.dice = 0.5;
  }
  return fed;
}

std::string line_of(const Fed& fed) {
  if (fed.due) return "  tunnel.wait();\n";
  const auto* of_session = std::get_if<OfSession>(&fed.event);
  if (of_session != nullptr && !fed.late) return "  tunnel.session(" + code_of(of_session->event) + ");\n";
  return "  tunnel.after(" + code_of(fed.event) + ");\n";
}

std::string text_of(Duration duration) {
  const auto milliseconds = std::chrono::floor<std::chrono::milliseconds>(duration);
  return milliseconds == duration ? std::to_string(milliseconds.count()) + "ms"
                                  : "Duration{" + std::to_string(duration.count()) + "}";
}

std::string yes_or_no(bool value) {
  return value ? "true" : "false";
}

std::string code_of(const TunnelSpec& spec) {
  const TunnelSpec usual;
  std::string code = "  TunnelSpec spec = spec_with(" + std::to_string(spec.remote_forward.size()) + ", " +
                     text_of(spec.verify_interval) + ");\n";
  for (std::size_t index = 0; index < spec.remote_forward.size(); ++index) {
    if (spec.remote_forward[index].port == 0)
      code += "  spec.remote_forward[" + std::to_string(index) + "].port = 0;\n";
  }
  if (spec.lease) code += "  spec.lease = true;\n";
  if (spec.exit_on_forward_failure != usual.exit_on_forward_failure)
    code += "  spec.exit_on_forward_failure = " + yes_or_no(spec.exit_on_forward_failure) + ";\n";
  if (spec.liveness != usual.liveness) {
    code += "  spec.liveness = {" + text_of(spec.liveness.server_alive_interval) + ", " +
            std::to_string(spec.liveness.server_alive_count_max) + ", " +
            std::to_string(spec.liveness.intervals_per_probe) + "};\n";
  }
  if (spec.fail_back_after != usual.fail_back_after)
    code += "  spec.fail_back_after = " + text_of(spec.fail_back_after) + ";\n";
  if (spec.drain_timeout != usual.drain_timeout)
    code += "  spec.drain_timeout = " + text_of(spec.drain_timeout) + ";\n";
  for (const RelaySpec& relay : spec.relays)
    code += "  spec.relays.push_back({\"" + relay.host_name + "\", 22, \"/known\", {}});\n";
  return code;
}

}  // namespace

Shrunk shrink(const Setup& setup, const std::vector<Fault>& faults, const Violation& broken, Duration at_most) {
  const TimePoint until = Clock::now() + at_most;
  Shrunk shrunk{setup, faults, {}, false, broken};
  const auto breaks = [&](const Setup& each, const std::vector<Fault>& some) {
    const auto found = play(each, some).broken;
    return found && found->promise == broken.promise;
  };
  const auto leave_out_faults = [&] {
    shrunk.faults =
        smallest<Fault>(shrunk.faults, until, [&](const auto& fewer) { return breaks(shrunk.setup, fewer); });
  };
  leave_out_faults();
  for (std::size_t index = 0; index < simpler_ones(setup).size() && Clock::now() < until; ++index) {
    const Setup simpler = simpler_ones(shrunk.setup)[index];
    const std::vector<Fault> fewer = that_fit(shrunk.faults, simpler);
    if (!breaks(simpler, fewer)) continue;
    shrunk.setup = simpler;
    shrunk.faults = fewer;
  }
  leave_out_faults();
  shrunk.broken = play(shrunk.setup, shrunk.faults, &shrunk.fed).broken.value_or(broken);

  const auto fed_breaks = [&](const std::vector<Fed>& fed) {
    const auto found = feed_again(shrunk.setup.spec, fed);
    return found && found->promise == broken.promise;
  };
  shrunk.by_events = fed_breaks(shrunk.fed);
  if (!shrunk.by_events) return shrunk;
  shrunk.fed = smallest<Fed>(shrunk.fed, until, fed_breaks);
  if (auto simpler = rounded(shrunk.fed); fed_breaks(simpler)) shrunk.fed = smallest<Fed>(simpler, until, fed_breaks);
  shrunk.broken = *feed_again(shrunk.setup.spec, shrunk.fed);
  return shrunk;
}

std::string as_unit_test(const Shrunk& shrunk, const std::string& name) {
  std::string text = "TEST_CASE(\"" + name + "\") {\n";
  for (const Fault& fault : shrunk.faults) text += "  // " + to_text(fault) + "\n";
  text += code_of(shrunk.setup.spec) + "  SteppedTunnel tunnel{spec};\n";
  TimePoint at = shrunk.fed.empty() ? TimePoint{} : shrunk.fed.front().at;
  double dice = 0.5;
  for (const Fed& fed : shrunk.fed) {
    if (fed.at > at && !fed.due) text += "  tunnel.now += " + text_of(fed.at - at) + ";\n";
    at = std::max(at, fed.at);
    if (fed.dice != dice) text += "  tunnel.dice = " + std::to_string(dice = fed.dice) + ";\n";
    text += line_of(fed);
  }
  return text + "  // " + std::string{to_string(shrunk.broken.promise)} + ": " + shrunk.broken.what + "\n}\n";
}

}  // namespace holdfast::simulation
