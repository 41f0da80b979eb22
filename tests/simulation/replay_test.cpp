#include "simulation/replay.hpp"

#include <doctest/doctest.h>

#include "simulation/run.hpp"
#include "simulation/shrink.hpp"

using namespace holdfast;
using namespace holdfast::simulation;
using namespace std::chrono_literals;

namespace {

/// As a configuration can have it, but for times that are finer.
TunnelSpec configured(TunnelSpec spec) {
  spec.user = "device";
  spec.identity_file = {"/key"};
  spec.user_known_hosts_file = "/known";
  return spec;
}

/// What a daemon would have recorded of these events.
std::string recording_of(const TunnelSpec& spec, const std::vector<Fed>& fed) {
  std::string text = record::first_lines("by a test") + record::tunnel_lines(1, spec);
  TunnelState state;
  for (const Fed& each : fed) {
    std::vector<double> dice;
    const Step result = step(spec, state, each.event, each.at, [&] {
      return dice.emplace_back(dice.size() < each.dice.size() ? each.dice[dice.size()] : 0.5);
    });
    text += record::step_line(1, each.at, each.event, dice, result);
    state = result.next;
  }
  return text;
}

record::RecordedTunnel recorded(const std::string& text) {
  const auto recording = record::parse(text);
  REQUIRE_MESSAGE(recording, recording.error());
  return recording->tunnels.at(0);
}

/// A start, and so many failures to look the name up, each tried again when it was due.
std::vector<Fed> failures(const TunnelSpec& spec, int count) {
  std::vector<Fed> fed{{TimePoint{1h}, Start{}}};
  TunnelState state = step(spec, {}, Start{}, TimePoint{1h}, [] { return 0.5; }).next;
  for (TimePoint now{1h}; count > 0; --count) {
    const Failure failure{Cause::name_not_found, "resolve", "relay.example", ""};
    fed.push_back({now, OfSession{state.attempt, SessionFailed{failure}}, {0.25}});
    state = step(spec, std::move(state), fed.back().event, now, [] { return 0.25; }).next;
    now = next_deadline(state).value();
    fed.push_back({now, TimerExpired{}});
    state = step(spec, std::move(state), TimerExpired{}, now, [] { return 0.5; }).next;
  }
  return fed;
}

TunnelSpec simple_spec() {
  TunnelSpec spec;
  spec.name = "relay";
  spec.host_name = "relay.example";
  spec.remote_forward.push_back({"localhost", 4649, TcpTarget{"localhost", 22}});
  return configured(spec);
}

}  // namespace

TEST_CASE("what was recorded in any weather is decided again") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const Profile profile = profiles.at(seed % profiles.size());
    Setup setup = draw_setup(seed, profile, 24h);
    setup.spec = configured(setup.spec);
    std::vector<Fed> fed;
    REQUIRE_FALSE(play(setup, draw_faults(setup, profile), &fed).broken);
    const record::RecordedTunnel tunnel = recorded(recording_of(setup.spec, fed));
    CHECK(tunnel.spec == setup.spec);
    CHECK(tunnel.steps.size() == fed.size());
    const Replayed replayed = replay(tunnel);
    CHECK(replayed.fed.size() == fed.size());
    CHECK_MESSAGE(!replayed.differs, (replayed.differs->recorded + " <> " + replayed.differs->now));
    CHECK_FALSE(replayed.broken);
  }
}

TEST_CASE("it is told at which step another core decides otherwise") {
  const std::string text = recording_of(simple_spec(), failures(simple_spec(), 3));
  record::RecordedTunnel tunnel = recorded(text);
  REQUIRE(tunnel.steps.size() == 7);
  CHECK_FALSE(replay(tunnel).differs);

  SUBCASE("by another action") {
    tunnel.steps[4].actions = "Dial; SendKeepalive";
  }
  SUBCASE("by another deadline") {
    tunnel.steps[4].state = "opening resolve attempt=3 relay=0 due=1";
  }
  SUBCASE("by dice that are not drawn any more") {
    tunnel.steps[4].dice = {0.5};
  }
  const Replayed replayed = replay(tunnel);
  REQUIRE(replayed.differs);
  CHECK(replayed.differs->line == tunnel.steps[4].line);
  CHECK(replayed.fed.size() == 5);
  CHECK(replayed.differs->recorded != replayed.differs->now);
}

TEST_CASE("a recorded run that breaks a promise is told, and shrunk to a unit test") {
  // A timer that the daemon was late with: the relay was silent for longer than it may be.
  const TunnelSpec spec = simple_spec();
  std::vector<Fed> fed = failures(spec, 20);
  const Attempt attempt = 21;
  const TimePoint now = fed.back().at;
  for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                   OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
    PhaseCompleted completed{phase};
    if (phase == OpeningPhase::resolve) completed.found.said = {"192.0.2.1"};
    if (phase == OpeningPhase::connect) completed.address = "192.0.2.1";
    fed.push_back({now, OfSession{attempt, completed}});
  }
  fed.push_back({now, OfSession{attempt, ForwardAnswered{0, 4649}}});
  fed.push_back({now + 1h, NetworkChanged{}});
  const record::RecordedTunnel tunnel = recorded(recording_of(spec, fed));
  const Replayed replayed = replay(tunnel);
  CHECK_FALSE(replayed.differs);
  REQUIRE(replayed.broken);
  CHECK(replayed.broken->promise == Promise::notices_silence);

  const Shrunk shrunk = shrink(tunnel.spec, replayed.fed, *replayed.broken, 20s);
  CHECK(shrunk.by_events);
  CHECK(shrunk.fed.size() < 10);
  const std::string test = as_unit_test(shrunk, "late");
  CHECK(test.find("tunnel.after(Start{});") != std::string::npos);
  CHECK(test.find("tunnel.after(NetworkChanged{});") != std::string::npos);
  CHECK(test.find("notices_silence") != std::string::npos);
}
