// What a relay may say before its banner (RFC 4253, 4.2): lines, but not for ever. OpenSSH reads 1024 of them.
#include <doctest/doctest.h>

#include "scene.hpp"
#include "support/pattern.hpp"

using namespace holdfast::test;

TEST_CASE("a relay that has lines to say before its banner is waited for") {
  const Scene scene([](RelaySession& session) {
    for (int line = 0; line < 1000; ++line) session.send_bytes("Unauthorised access is forbidden.\r\n");
    session.serve();
  });
  CHECK(scene.wait_for([](const Json& now) { return now["up"] == true; }));
}

TEST_CASE("a relay that never comes to its banner is given up at once") {
  std::string noise;
  SUBCASE("short lines") {
    noise = "hello\r\n";
  }
  SUBCASE("empty lines") {
    noise = "\n";
  }
  SUBCASE("the longest lines") {
    noise = std::string(253, 'x') + "\r\n";
  }
  SUBCASE("one line without an end") {
    noise = "x";
  }
  SUBCASE("NULs") {
    noise = std::string(1, '\0');
  }
  SUBCASE("lines of NULs") {
    noise = std::string(100, '\0') + "\n";
  }
  std::atomic<int> tries = 0;
  const Scene scene([&](RelaySession& session) {
    session.flood_bytes([&] { return noise; }, {.count = 100'000'000, .time = 10s, .reading = false});
    ++tries;
  });
  REQUIRE(wait_until([&] { return tries > 0; }, 30s));
  REQUIRE(scene.wait_for([](const Json& now) { return !now["last_error"].is_null(); }));
  CHECK(scene.hostile()["last_error"]["cause"] == "protocol_mismatch");
  scene.check_cost({.cpu_time = 100ms});
}
