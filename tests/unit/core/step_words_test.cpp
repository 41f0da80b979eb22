#include "holdfast/step_words.hpp"

#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

struct Logged {
  std::string text;
  LogLevel level{};
};

Logged told(const SteppedTunnel& tunnel, const TunnelEvent& event) {
  const Step result = step(tunnel.spec, tunnel.state, event, tunnel.now, [] { return 0.5; });
  return {describe_step(tunnel.phase(), event, result), detail_of_step(tunnel.phase(), event, result)};
}

}  // namespace

TEST_CASE("a step that moves the tunnel or makes it act is told at debug") {
  SteppedTunnel tunnel{spec_with(1)};
  Logged start = told(tunnel, Start{});
  CHECK(start.text == "idle + Start -> opening [Dial]");
  CHECK(start.level == LogLevel::debug);
  tunnel.establish();
  CHECK(told(tunnel, OfSession{tunnel.state.attempt, SessionFailed{lost()}}).text ==
        "established + SessionFailed -> backing_off [Happened, ParkSession, Happened]");
}

TEST_CASE("a step that acts and stays where it is is told at debug as well") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish();
  tunnel.now = next_deadline(tunnel.state).value();
  const Logged probe = told(tunnel, TimerExpired{});
  CHECK(probe.text == "established + TimerExpired -> established [SendKeepalive]");
  CHECK(probe.level == LogLevel::debug);
}

TEST_CASE("what changes nothing is told deeper, and bytes that came deepest") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish();
  const Logged proceed = told(tunnel, Proceed{});
  CHECK(proceed.text == "established + Proceed -> established []");
  CHECK(proceed.level == LogLevel::debug2);
  CHECK(told(tunnel, OfSession{tunnel.state.attempt, Received{true}}).level == LogLevel::debug3);
}
