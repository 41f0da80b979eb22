// sshd's PerSourcePenalties, from the side of those that it penalises: a fleet behind one carrier's address.
#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

Failure said_no() {
  return {Cause::relay_penalty, "read the banner of", "relay.example:22", "it said \"Not allowed at this time\""};
}

Failure refused() {
  return {Cause::authentication_refused, "authenticate to", "relay.example:22", "it takes publickey"};
}

TunnelSpec among_two() {
  TunnelSpec spec = spec_with(1);
  spec.host_name.clear();
  spec.relays = {{"a.example", 22, "/known", {}}, {"b.example", 22, "/known", {}}};
  return spec;
}

/// The next try by its timer, until the relay speaks.
SteppedTunnel& dial(SteppedTunnel& tunnel) {
  return tunnel.wait().session(PhaseCompleted{OpeningPhase::resolve}).session(PhaseCompleted{OpeningPhase::connect});
}

}  // namespace

TEST_CASE("a penalty is waited for at least fifteen seconds, and longer each time, spread over as long again") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{});
  for (const auto limit : {15s, 30s, 60s, 120s, 120s}) {
    for (const double dice : {0.0, 0.5, 0.999}) {
      SteppedTunnel copy = tunnel;
      copy.dice = dice;
      copy.session(SessionFailed{said_no()});
      CHECK(copy.in<BackingOff>().until - copy.now ==
            15s + std::chrono::duration_cast<Duration>(Duration{limit} * dice));
    }
    dial(tunnel.session(SessionFailed{said_no()}));
  }
}

TEST_CASE("sshd says one sentence for two things: which it is more likely is told by what came before") {
  SteppedTunnel tunnel{spec_with(1)};
  const auto detail = [&] { return tunnel.in<BackingOff>().failure.detail; };
  tunnel.after(Start{}).session(SessionFailed{said_no()});
  CHECK(detail() == "it said \"Not allowed at this time\": MaxStartups, or a penalty for others behind this address");
  dial(tunnel).session(SessionFailed{said_no()});
  CHECK(detail().find("again: more likely a penalty for others behind this address than MaxStartups") !=
        std::string::npos);
  dial(tunnel).session(SessionFailed{refused()});
  dial(tunnel).session(SessionFailed{said_no()});
  CHECK(detail() ==
        "it said \"Not allowed at this time\", most likely a penalty for what came before: "
        "authenticate to relay.example:22: authentication refused (it takes publickey)");
  CHECK(tunnel.lines.at(0).text.find("authentication refused") != std::string::npos);
}

TEST_CASE("the refusal that brought a penalty about is kept until a session stands, and its own schedule goes on") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{}).session(SessionFailed{refused()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 30s);
  const TimePoint refused_at = tunnel.now;
  dial(tunnel).session(SessionFailed{said_no()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 60s);
  dial(tunnel).session(SessionFailed{said_no()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 120s);
  CHECK(tunnel.state.failover.here().refusal == refused());
  CHECK(tunnel.state.failover.here().refused_at == refused_at);

  dial(tunnel).session(PhaseCompleted{OpeningPhase::banner}).session(PhaseCompleted{OpeningPhase::key_exchange});
  tunnel.session(PhaseCompleted{OpeningPhase::authenticate}).session(ForwardAnswered{0, 4649});
  REQUIRE(is_up(tunnel.state));
  CHECK_FALSE(tunnel.state.failover.here().refusal);
}

TEST_CASE("who has mended something and asks for a reconnect is not held to what was refused before") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{}).session(SessionFailed{refused()}).after(ReconnectRequested{});
  tunnel.session(SessionFailed{said_no()});
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 22500ms);
}

TEST_CASE("a penalty is the address's: a change of the network ends the wait only if it brings another one") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.after(Start{}).session(SessionFailed{said_no()});
  CHECK(tunnel.after(NetworkChanged{}).actions.empty());
  CHECK(tunnel.phase() == "backing_off");
  NetworkChanged moved;
  moved.moved = true;
  CHECK(tunnel.after(moved).actions == Actions{Dial{}});

  // A refused key would earn the new address a penalty as well.
  SteppedTunnel stranger{spec_with(1)};
  stranger.after(Start{}).session(SessionFailed{refused()});
  dial(stranger).session(SessionFailed{said_no()});
  CHECK(stranger.after(moved).actions.empty());
}

TEST_CASE("another relay is tried at once, and the one with the penalty when that is over") {
  SteppedTunnel tunnel{among_two()};
  tunnel.after(Start{}).session(SessionFailed{said_no()});
  CHECK(tunnel.in<BackingOff>().relay == 1);
  CHECK(tunnel.in<BackingOff>().until == tunnel.now + 500ms);
  const TimePoint began = tunnel.now;
  int tries = 0;
  while (dial(tunnel).state.failover.current() == 1) {
    ++tries;
    tunnel.session(SessionFailed{lost()});
  }
  CHECK(tries > 3);
  CHECK(tunnel.now >= began + 15s);
  CHECK(tunnel.now < began + 30s);
}

TEST_CASE("what ends in the login, where sshd counts it, is tried ever more rarely in a young outage too") {
  SteppedTunnel in_the_login{spec_with(1)};
  SteppedTunnel before{spec_with(1)};
  in_the_login.open_until(OpeningPhase::key_exchange);
  before.open_until(OpeningPhase::banner);
  for (const auto wait : {500ms, 1000ms, 2000ms, 4000ms}) {
    in_the_login.session(SessionFailed{lost()});
    CHECK(in_the_login.in<BackingOff>().until == in_the_login.now + wait);
    dial(in_the_login).session(PhaseCompleted{OpeningPhase::banner});
    before.session(SessionFailed{lost()});
    CHECK(before.in<BackingOff>().until == before.now + 500ms);
    dial(before);
  }
}

// ---- a fleet behind one address ---------------------------------------------------------------------------------

namespace {

/// What sshd keeps of one address (srclimit.c): penalties add up, run out by the second, and count from `min` on.
class Penalties {
 public:
  bool allows(TimePoint now) {
    if (expiry_ < now) active_ = false;
    return !active_;
  }

  void penalise(Duration penalty, TimePoint now) {
    if (expiry_ < now) active_ = false;
    expiry_ = std::min(std::max(expiry_, now) + penalty, now + max);
    active_ = active_ || expiry_ - now > min;
  }

 private:
  static constexpr Duration min = 15s;
  static constexpr Duration max = 10min;

  TimePoint expiry_;
  bool active_ = false;
};

struct Device {
  explicit Device(bool good_key) : good(good_key) { tunnel.after(Start{}); }

  bool opening() const { return std::holds_alternative<Opening>(tunnel.state.phase); }
  TimePoint due() const { return opening() ? answer_at : next_deadline(tunnel.state).value(); }

  SteppedTunnel tunnel{spec_with(1)};
  TimePoint answer_at = tunnel.now;  ///< while opening
  bool good;
  bool let_in = false;  ///< past the banner
};

struct Fleet {
  Fleet(std::size_t strangers, unsigned seed) : random(seed), devices(strangers, Device{false}) {
    devices.emplace_back(true);
    // Not quite in step, as after a power cut of the site.
    for (Device& device : devices) device.answer_at += draw(1s);
  }

  /// When the one with the good key is in, at `limit` at the latest.
  Duration run(Duration limit) {
    const TimePoint began{1h};
    while (true) {
      const auto next = std::min_element(devices.begin(), devices.end(), [](const Device& one, const Device& other) {
        return one.due() < other.due();
      });
      SteppedTunnel& tunnel = next->tunnel;
      tunnel.now = next->due();
      if (tunnel.now - began >= limit) return limit;
      if (!next->opening()) {
        tunnel.after(TimerExpired{});
        next->answer_at = tunnel.now + 200ms;
        next->let_in = false;
      } else if (next->let_in) {
        if (next->good) return tunnel.now - began;
        relay.penalise(5s, tunnel.now);
        fail(tunnel, refused());
      } else if (relay.allows(tunnel.now)) {
        next->let_in = true;
        next->answer_at = tunnel.now + 500ms;
      } else {
        ++turned_away;
        fail(tunnel, said_no());
      }
    }
  }

  void fail(SteppedTunnel& tunnel, const Failure& failure) {
    tunnel.dice = std::uniform_real_distribution{0.0, 1.0}(random);
    tunnel.session(SessionFailed{failure});
  }

  Duration draw(Duration most) {
    return std::chrono::duration_cast<Duration>(most * std::uniform_real_distribution{0.0, 1.0}(random));
  }

  std::mt19937 random;
  std::vector<Device> devices;
  Penalties relay;
  int turned_away = 0;
};

}  // namespace

TEST_CASE("twelve devices with a refused key do not keep out the good one behind their address") {
  std::vector<Duration> waits;
  for (unsigned seed = 0; seed < 200; ++seed) {
    Fleet fleet{12, seed};
    waits.push_back(fleet.run(1h));
  }
  std::sort(waits.begin(), waits.end());
  MESSAGE("median " << to_text(waits[100]) << " p90 " << to_text(waits[180]) << " max " << to_text(waits.back()));
  CHECK(waits[100] < 2min);
  CHECK(waits.back() < 5min);
}
