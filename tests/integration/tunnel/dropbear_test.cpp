#include "support/dropbear.hpp"

#include <doctest/doctest.h>

#include <optional>

#include "scenario.hpp"

using namespace holdfast::test;

TEST_CASE("Dropbear answers keepalives, and is noticed when it is frozen") {
  Dropbear relay;
  const std::uint16_t port = free_port();
  const Holdfast holdfast(Tunnel::to(relay)
                              .forward(to_local(port, 1))
                              .set("server_alive_interval", "1")
                              .set("server_alive_count_max", "1"));
  REQUIRE(holdfast.wait_for_up());
  CHECK(holds_for([&] { return holdfast.tunnel()["attempt"] == 1 && holdfast.tunnel()["up"] == true; }, 3500ms));
  CHECK_FALSE(holdfast.tunnel()["keepalive_rtt_seconds"].is_null());
  const Stopwatch watch;
  relay.freeze();
  REQUIRE(holdfast.wait_for_failure("relay_silent"));
  CHECK(watch.elapsed() <= 2000ms + slack);
  relay.thaw();
  CHECK(holdfast.wait_for_up());
}

TEST_CASE("a port that is taken on a Dropbear relay is refused, then had") {
  Dropbear relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  std::optional<TakenPort> taken(port);
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_failure("listener_held_stale"));
  const std::string remedy = holdfast.tunnel()["last_error"]["remedy"];
  CHECK_MESSAGE(remedy.find("Dropbear's option -K") != std::string::npos, remedy);
  CHECK(holdfast.says(remedy));
  taken.reset();
  REQUIRE(holdfast.wait_for_up());
  CHECK(echoes(port));
}

TEST_CASE("Dropbear lets each kind of key in") {
  const Dropbear relay;
  KeyType type{};
  SUBCASE("ecdsa") {
    type = KeyType::ecdsa;
  }
  SUBCASE("rsa") {
    type = KeyType::rsa;
  }
  const Holdfast holdfast(Tunnel::to(relay).forward(to_local(free_port(), 1)).set("identity_file", client_key(type)));
  CHECK(holdfast.wait_for_up());
}
