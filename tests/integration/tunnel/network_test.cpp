#include <doctest/doctest.h>

#include "scenario.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast::test;

// What happens when the network does change is tried in the lab (tests/lab): that takes a network of its own.

namespace {

/// A name that no resolver knows: too long for DNS, so that none is even asked.
const std::string unknown_name = std::string(64, 'n') + ".invalid";

std::size_t count(const std::string& text, const std::string& what) {
  std::size_t times = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++times;
  return times;
}

}  // namespace

TEST_CASE("where the kernel tells nothing of the network, the log says so once and the tunnel stands") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const Holdfast holdfast({Tunnel::to(relay).forward(to_local(port, target.port()))},
                          {{"LD_PRELOAD", NO_NETLINK}, {"ASAN_OPTIONS", "verify_asan_link_order=0"}});
  REQUIRE(holdfast.wait_for_up());
  CHECK(echoes(port));
  relay.kill_sessions();
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["sessions_established"] == 2 && now["up"] == true; }));
  CHECK(count(holdfast.log(), "the kernel does not tell when the network changes (Address family not supported") == 1);
}

TEST_CASE("a name that DNS denies is reached by the address of the last time, and a damaged file of those is ignored") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const TempDir state;
  const auto tunnel = [&] {
    return Tunnel::to(relay)
        .set("host_name", unknown_name)
        .set("strict_host_key_checking", "accept-new")
        .forward(to_local(port, target.port()));
  };
  write_file(state / "addresses", "holdfast addresses 1\n" + unknown_name + " any 1700000000 127.0.0.1\n");
  {
    const Holdfast holdfast({tunnel()}, {{"STATE_DIRECTORY", state.path().string()}});
    REQUIRE(holdfast.wait_for_up());
    CHECK(echoes(port));
    CHECK(count(holdfast.log(), "using the addresses of " + unknown_name + " from ") == 1);
  }
  write_file(state / "addresses",
             "\x7f"
             "ELF");
  const Holdfast holdfast({tunnel()}, {{"STATE_DIRECTORY", state.path().string() + ":/elsewhere"}});
  REQUIRE(holdfast.wait_for([](const Json& now) { return !now["last_error"].is_null(); }));
  CHECK(count(holdfast.log(), "are ignored: it is damaged, or not holdfast's") == 1);
}
