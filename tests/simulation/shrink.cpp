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

/// The last one again where there are no more.
double nth(const std::vector<double>& dice, std::size_t index) {
  return dice.empty() ? 0.5 : dice[std::min(index, dice.size() - 1)];
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
    std::size_t drawn = 0;
    Step result = step(spec, std::move(state), event, now, [&] { return nth(each.dice, drawn++); });
    state = std::move(result.next);
    watch.saw(event, state, result.actions, now);
    if (watch.broken()) return watch.broken();
  }
  return std::nullopt;
}

/// What lines_of() tells of it, and no more.
TunnelSpec as_told(const TunnelSpec& spec) {
  TunnelSpec told;
  told.name = "relay";
  told.host_name = spec.host_name;
  for (std::size_t index = 0; index < spec.remote_forward.size(); ++index) {
    const auto port = static_cast<std::uint16_t>(spec.remote_forward[index].port == 0 ? 0 : 4649 + index);
    told.remote_forward.push_back({"localhost", port, TcpTarget{"localhost", static_cast<std::uint16_t>(22 + index)}});
  }
  for (const RelaySpec& relay : spec.relays) told.relays.push_back({relay.host_name, 22, "/known", {}});
  told.lease = spec.lease;
  told.verify_interval = spec.verify_interval;
  told.exit_on_forward_failure = spec.exit_on_forward_failure;
  told.liveness = spec.liveness;
  told.fail_back_after = spec.fail_back_after;
  told.drain_timeout = spec.drain_timeout;
  told.connect_timeout = spec.connect_timeout;
  told.backoff = spec.backoff;
  return told;
}

std::vector<Setup> simpler_ones(const Setup& setup) {
  const TunnelSpec usual;
  std::vector<Setup> simpler(9, setup);
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
  simpler[8].spec = as_told(setup.spec);
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
    each.dice.clear();
  }
  return fed;
}

std::string line_of(const Fed& fed) {
  if (fed.due) return "  tunnel.wait();\n";
  const auto* of_session = std::get_if<OfSession>(&fed.event);
  if (of_session != nullptr && !fed.late) return "  tunnel.session(" + code_of(of_session->event) + ");\n";
  return "  tunnel.after(" + code_of(fed.event) + ");\n";
}

std::string yes_or_no(bool value) {
  return value ? "true" : "false";
}

std::string lines_of(const TunnelSpec& spec) {
  const TunnelSpec usual;
  std::string code = "  TunnelSpec spec = spec_with(" + std::to_string(spec.remote_forward.size()) + ", " +
                     code_of(spec.verify_interval) + ");\n";
  for (std::size_t index = 0; index < spec.remote_forward.size(); ++index) {
    if (spec.remote_forward[index].port == 0)
      code += "  spec.remote_forward[" + std::to_string(index) + "].port = 0;\n";
  }
  if (spec.lease) code += "  spec.lease = true;\n";
  if (spec.exit_on_forward_failure != usual.exit_on_forward_failure)
    code += "  spec.exit_on_forward_failure = " + yes_or_no(spec.exit_on_forward_failure) + ";\n";
  if (spec.liveness != usual.liveness) {
    code += "  spec.liveness = {" + code_of(spec.liveness.server_alive_interval) + ", " +
            std::to_string(spec.liveness.server_alive_count_max) + ", " +
            std::to_string(spec.liveness.intervals_per_probe) + "};\n";
  }
  if (spec.fail_back_after != usual.fail_back_after)
    code += "  spec.fail_back_after = " + code_of(spec.fail_back_after) + ";\n";
  if (spec.drain_timeout != usual.drain_timeout)
    code += "  spec.drain_timeout = " + code_of(spec.drain_timeout) + ";\n";
  if (spec.connect_timeout != usual.connect_timeout)
    code += "  spec.connect_timeout = " + code_of(spec.connect_timeout) + ";\n";
  if (spec.backoff != usual.backoff) {
    const auto schedule = [](const BackoffSchedule& each) {
      return "{" + code_of(each.first) + ", " + code_of(each.cap) + "}, ";
    };
    code += "  spec.backoff = {" + schedule(spec.backoff.network) + schedule(spec.backoff.listener) +
            schedule(spec.backoff.refused) + schedule(spec.backoff.penalty) + code_of(spec.backoff.reset_after) +
            "};\n";
  }
  if (spec.relays.empty() && spec.host_name != "relay.example")
    code += "  spec.host_name = " + code_of(spec.host_name) + ";\n";
  for (const RelaySpec& relay : spec.relays)
    code += "  spec.relays.push_back({" + code_of(relay.host_name) + ", 22, \"/known\", {}});\n";
  return code;
}

bool breaks(const TunnelSpec& spec, const std::vector<Fed>& fed, Promise promise) {
  const auto found = feed_again(spec, fed);
  return found && found->promise == promise;
}

void leave_out_events(Shrunk& shrunk, TimePoint until) {
  const auto fed_breaks = [&](const std::vector<Fed>& fed) {
    return breaks(shrunk.setup.spec, fed, shrunk.broken.promise);
  };
  shrunk.by_events = fed_breaks(shrunk.fed);
  if (!shrunk.by_events) return;
  shrunk.fed = smallest<Fed>(shrunk.fed, until, fed_breaks);
  if (auto simpler = rounded(shrunk.fed); fed_breaks(simpler)) shrunk.fed = smallest<Fed>(simpler, until, fed_breaks);
  shrunk.broken = *feed_again(shrunk.setup.spec, shrunk.fed);
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

  leave_out_events(shrunk, until);
  return shrunk;
}

Shrunk shrink(const TunnelSpec& spec, std::vector<Fed> fed, const Violation& broken, Duration at_most) {
  const TimePoint until = Clock::now() + at_most;
  Shrunk shrunk{{}, {}, std::move(fed), false, broken};
  shrunk.setup.spec = spec;
  leave_out_events(shrunk, until);
  for (std::size_t index = 0; index < simpler_ones(shrunk.setup).size() && shrunk.by_events; ++index) {
    const Setup simpler = simpler_ones(shrunk.setup)[index];
    if (breaks(simpler.spec, shrunk.fed, broken.promise)) shrunk.setup = simpler;
  }
  leave_out_events(shrunk, until);
  return shrunk;
}

std::string as_unit_test(const Shrunk& shrunk, const std::string& name) {
  std::string text = "TEST_CASE(\"" + name + "\") {\n";
  for (const Fault& fault : shrunk.faults) text += "  // " + to_text(fault) + "\n";
  text += lines_of(shrunk.setup.spec) + "  SteppedTunnel tunnel{spec};\n";
  TimePoint at = shrunk.fed.empty() ? TimePoint{} : shrunk.fed.front().at;
  double dice = 0.5;
  for (const Fed& fed : shrunk.fed) {
    if (fed.at > at && !fed.due) text += "  tunnel.now += " + code_of(fed.at - at) + ";\n";
    at = std::max(at, fed.at);
    const double drawn = fed.dice.empty() ? dice : fed.dice.back();
    if (drawn != dice) text += "  tunnel.dice = " + std::to_string(dice = drawn) + ";\n";
    text += line_of(fed);
  }
  return text + "  // " + std::string{to_string(shrunk.broken.promise)} + ": " + shrunk.broken.what + "\n}\n";
}

}  // namespace holdfast::simulation
