// A relay that takes nobody from our address for now: "Not allowed at this time", and no banner.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "scenario.hpp"

using namespace holdfast::test;

namespace {

constexpr const char* not_allowed = "Not allowed at this time";

/// What sshd 9.8 and later say before they close.
Conversation turn_away() {
  return [](Socket& socket) { socket.send(std::string{not_allowed} + "\r\n"); };
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t times = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

const char* const waits_as_shipped = "{network: {first: 1, cap: 1}}";

}  // namespace

TEST_CASE("a relay that says no before its banner is told as that, and left alone for fifteen seconds") {
  const TargetServer relay(turn_away());
  const Holdfast holdfast(Tunnel::to("127.0.0.1", relay.port(), "nobody", "")
                              .forward(to_local(free_port(), 1))
                              .set("backoff", waits_as_shipped));
  REQUIRE(holdfast.wait_for_failure("relay_penalty"));
  const Json tunnel = holdfast.tunnel();
  CHECK(tunnel["next_retry_seconds"] > 10.0);
  CHECK(tunnel["last_error"]["detail"].get<std::string>().find(not_allowed) != std::string::npos);
  CHECK(tunnel["last_error"]["remedy"].get<std::string>().find("PerSourcePenaltyExemptList") != std::string::npos);
  CHECK(tunnel["relays"][0]["last_refusal"].is_null());
  CHECK(holds_for([&] { return relay.accepted() == 1; }, 3000ms));
}

TEST_CASE("the sentence is heard also where the connection is reset right behind it") {
  const TargetServer relay([](Socket& socket) {
    socket.send(std::string{not_allowed} + "\r\n");
    socket.reset();
  });
  const Holdfast holdfast(Tunnel::to("127.0.0.1", relay.port(), "nobody", "").forward(to_local(free_port(), 1)));
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"] >= 8; }));
  CHECK(holdfast.log().find("connection lost") == std::string::npos);
  CHECK(holdfast.cause() == "relay_penalty");
}

TEST_CASE("with another relay, that one is tried at once") {
  const TargetServer penalising(turn_away());
  const Sshd other;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Tunnel tunnel = Tunnel::to(other).forward(to_local(port, target.port())).set("backoff", waits_as_shipped);
  tunnel.set("host_name", "['127.0.0.1:" + std::to_string(penalising.port()) +
                              "', '127.0.0.1:" + std::to_string(other.port()) + "']");
  tunnel.keys.erase("port");
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for_up());
  CHECK(holdfast.tunnel()["relays"][0]["last_failure"]["cause"] == "relay_penalty");
  CHECK(echoes(port));
}

TEST_CASE("behind one address, twelve devices with a refused key keep a good one out for one penalty, not for ever" *
          doctest::skip(!sshd_knows("PerSourcePenalties yes"))) {
  // A third of sshd's own times; bare connections, by which the fixtures see whether it listens, cost nothing.
  const Sshd relay{{.config = {"PerSourcePenalties authfail:2 noauth:0 min:5 max:200", "MaxStartups 100"}}};
  const auto to_relay = [&](const std::string& name) {
    return Tunnel::to(relay.host(), relay.port(), relay.user(), relay.known_hosts(), name)
        .forward(to_local(free_port(), 1))
        .set("backoff", "{refused: {first: 20, cap: 300}, penalty: {first: 5, cap: 40}}");
  };
  std::vector<Tunnel> strangers;
  for (int n = 0; n < 12; ++n) {
    strangers.push_back(to_relay("stranger" + std::to_string(n)).set("identity_file", stranger_key()));
  }
  const Holdfast fleet(strangers);
  REQUIRE(wait_until([&] { return relay.log_has("penalty: failed authentication"); }));
  const Stopwatch watch;
  const Holdfast good(to_relay("relay"));
  REQUIRE(good.wait_for_failure("relay_penalty"));
  // One of those that met the penalty they had brought about still says what the relay had against it.
  CHECK(wait_until(
      [&] {
        const Json status = fleet.status();
        return std::any_of(status["tunnels"].begin(), status["tunnels"].end(), [](Json tunnel) {
          return tunnel["relays"][0]["last_refusal"]["cause"] == "authentication_refused" &&
                 tunnel["last_error"]["cause"] == "relay_penalty";
        });
      },
      30s));
  CHECK(fleet.says("most likely a penalty for what came before"));
  CHECK(good.wait_for_up("relay", 90s));
  MESSAGE("the good one was up after ", watch.elapsed().count(), " ms, ",
          count(relay.log(), "penalty: failed authentication"), " lines of penalties");
  CHECK(good.tunnel()["attempt"] < 12);
}
