#include "holdfast/history.hpp"

#include <doctest/doctest.h>

#include "tunnel_fixture.hpp"

using namespace holdfast;
using namespace holdfast::test;

TEST_CASE("the last error is why there is no session or no listener; what a proof found is only counted") {
  History history;
  const TimePoint now{1h};
  history.add({1, now, WallTime{5s}, AttemptFailed{lost(), 1s}});
  CHECK(history.last_error() == History::Error{lost(), now, WallTime{5s}});

  const Failure refused{Cause::forward_refused, "listen on relay", "localhost:4649", ""};
  history.add({2, now + 1s, WallTime{3s}, ListenerRefused{0, refused}});  // somebody set the clock
  CHECK(history.last_error() == History::Error{refused, now + 1s, WallTime{3s}});

  const Failure down{Cause::target_down, "connect to", "localhost:22", ""};
  history.add({3, now + 2s, WallTime{4s}, ProofChanged{0, 4649, {ProofResult::target_down, now + 2s, 1, down}}});
  CHECK(history.last_error()->failure == refused);
  CHECK(history.counts().at(Cause::connection_lost) == 1);
  CHECK(history.counts().at(Cause::forward_refused) == 1);
  CHECK(history.counts().at(Cause::target_down) == 1);
}

TEST_CASE("the last eight ends of sessions are kept, the latest last") {
  History history;
  for (int hour = 1; hour <= 10; ++hour)
    history.add({1, TimePoint{20h}, WallTime{1s * hour}, SessionEnded{lost(), std::chrono::hours{hour}}});
  REQUIRE(history.ends().size() == 8);
  CHECK(history.ends().front().held == 3h);
  CHECK(history.ends().back() == History::End{lost(), TimePoint{20h}, 10h, WallTime{10s}});
}

TEST_CASE("a session that stood tells once how it ended, one that never stood does not") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish();
  tunnel.now += 2h;
  tunnel.session(SessionFailed{lost()});
  REQUIRE(tunnel.history.ends().size() == 1);
  CHECK(tunnel.history.ends().back() == History::End{lost(), tunnel.now, 2h, tunnel.wall});

  tunnel.wait();
  tunnel.session(SessionFailed{lost()});
  CHECK(tunnel.history.ends().size() == 1);
}

TEST_CASE("an end that somebody asked for has no reason, and is no error") {
  SteppedTunnel tunnel{spec_with(1)};
  tunnel.establish();
  tunnel.now += 1h;
  tunnel.after(ReconnectRequested{});
  tunnel.session(ListenerCancelled{0}).session(ConnectionsDrained{}).session(SessionClosed{});
  CHECK(tunnel.phase() == "opening");
  CHECK(tunnel.history.ends().back() == History::End{std::nullopt, TimePoint{2h}, 1h, tunnel.wall});
  CHECK_FALSE(tunnel.history.last_error());
}
