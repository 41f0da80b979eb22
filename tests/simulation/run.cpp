#include "simulation/run.hpp"

#include <algorithm>
#include <array>

namespace holdfast::simulation {
namespace {

using namespace std::chrono_literals;

/// Not zero: a time that is long past has to be possible.
constexpr TimePoint beginning{24h};

RelayConfig draw_relay(Random& random, bool awkward) {
  RelayConfig config;
  config.lease = random.chance(0.6) ? LeaseKind::full : static_cast<LeaseKind>(random.below(4));
  config.addresses = random.chance(0.6) ? 1 : 2;
  config.knocks = random.chance(0.7);
  config.knows_localhost = random.chance(0.9);
  config.penalties = random.chance(0.7);
  config.forgets_after = random.chance(0.5) ? Duration{2min} : Duration{131min};
  if (awkward && random.chance(0.2)) config.idle_timeout = random.between(10s, 10min);
  config.idle_silently = random.chance(0.5);
  if (awkward && random.chance(0.1)) config.session_timeout = random.between(5s, 30min);
  if (awkward && random.chance(0.2)) config.channel_timeout = random.between(5s, 10min);
  return config;
}

}  // namespace

Setup draw_setup(std::uint64_t seed, Profile profile, Duration span) {
  Random random{seed};
  Setup setup;
  setup.seed = random.next();
  setup.span = span;
  TunnelSpec& spec = setup.spec;
  spec.name = "relay";
  const std::size_t forwards = 1 + (random.chance(0.5) ? 0 : random.below(3));
  for (std::size_t index = 0; index < forwards; ++index) {
    const auto port = static_cast<std::uint16_t>(random.chance(0.1) ? 0 : 4649 + index);
    spec.remote_forward.push_back({"localhost", port, TcpTarget{"localhost", static_cast<std::uint16_t>(22 + index)}});
  }
  const std::size_t relays = random.chance(0.5) ? 1 : 2 + random.below(2);
  if (relays == 1) {
    spec.host_name = "relay.example";
  } else {
    for (std::size_t index = 0; index < relays; ++index)
      spec.relays.push_back({"relay" + std::to_string(index + 1) + ".example", 22, "/known", {}});
  }
  spec.exit_on_forward_failure = random.chance(0.6);
  spec.lease = random.chance(0.8);
  const std::array<Duration, 5> intervals{0s, 1min, 10min, 1h, 24h};
  spec.verify_interval = intervals.at(random.below(intervals.size()));
  const std::array<Duration, 6> alive{0s, 5s, 15s, 1min, 1min, 5min};
  spec.liveness = {alive.at(random.below(alive.size())), static_cast<unsigned>(random.below(5)), 1};
  if (spec.liveness.server_alive_count_max > 0 && random.chance(0.3)) spec.liveness.intervals_per_probe = 5;
  if (random.chance(0.3)) spec.fail_back_after = random.chance(0.5) ? Duration{0s} : Duration{1min};
  if (random.chance(0.2)) spec.drain_timeout = random.between(0s, 1min);
  const bool awkward = profile == Profile::hostile || profile == Profile::storm;
  for (std::size_t index = 0; index < relays; ++index) setup.relays.push_back(draw_relay(random, awkward));
  setup.dns_cache = random.chance(0.8);
  return setup;
}

std::vector<Fault> draw_faults(const Setup& setup, Profile profile) {
  Random random{setup.seed ^ 0xfa17U};
  return draw_faults(profile, random, beginning, setup.span, setup.relays.size(), setup.spec.remote_forward.size());
}

Outcome play(const Setup& setup, const std::vector<Fault>& faults, std::vector<Fed>* fed) {
  std::vector<Relay> relays;
  for (const RelayConfig& config : setup.relays) relays.emplace_back(config);
  Device device{1, setup.spec, relays, setup.seed, setup.dns_cache};
  device.keep(fed);
  TimePoint now = beginning;
  const TimePoint end = beginning + setup.span;
  device.boot(now);
  auto fault = faults.begin();
  while (!device.broken()) {
    const TimePoint due = std::max(now, device.next());
    const TimePoint strikes = fault == faults.end() ? end : fault->at;
    if (std::min(due, strikes) >= end) break;
    if (strikes <= due) {
      now = strikes;
      relays[fault->relay].begin(*fault, setup.spec.remote_forward[fault->forward].port, now);
      device.begin(*fault++, now);
    } else {
      now = due;
      device.advance(now);
    }
  }
  if (!device.broken()) {
    now = end;
    device.stop(now);
    while (!device.broken() && !device.stopped()) {
      now = std::max(now, device.next());
      device.advance(now);
    }
  }
  return {device.broken(), device.steps(), now - beginning};
}

}  // namespace holdfast::simulation
