// What a tunnel costs: TCP's acknowledgements as the sign of life, what they keep up and what they do not hide; and
// the bytes that are counted.
#include <doctest/doctest.h>
#include <signal.h>

#include <fstream>
#include <stdexcept>

#include "scenario.hpp"

using namespace holdfast::test;

namespace {

/// A silent path is dead after 2 s, a silent sshd after 6.
Tunnel thrifty(const Sshd& relay) {
  return Tunnel::to(relay).set("server_alive_interval", "1").set("server_alive_count_max", "1").set("economy", "5");
}

/// In KB.
long anonymous_memory(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) return std::stol(line.substr(8));
  }
  throw std::runtime_error("no RssAnon of process " + std::to_string(pid));
}

std::uint64_t bytes_sent(const Holdfast& holdfast) {
  return holdfast.tunnel()["bytes_sent"];
}

}  // namespace

TEST_CASE("acknowledgements alone keep a session up, at no byte of SSH, and a heartbeat comes now and then") {
  Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Tunnel tunnel = thrifty(relay).set("server_alive_count_max", "2").set("verify_interval", "0");
  const char* lease = "";
  SUBCASE("with the lease") {
    lease = "yes";
  }
  SUBCASE("without") {
    lease = "no";
  }
  const Holdfast holdfast(tunnel.set("lease", lease).forward(to_local(port, target.port())));
  REQUIRE(holdfast.wait_for_up());
  // Once all is set up: nothing for longer than the path may be silent, and then no more than a heartbeat.
  std::uint64_t last = bytes_sent(holdfast);
  Stopwatch quiet;
  CHECK(wait_until(
      [&] {
        const std::uint64_t now = bytes_sent(holdfast);
        if (now == last) return false;
        const bool heartbeat = quiet.elapsed() >= 4000ms && now - last <= 52;
        last = now;
        quiet = Stopwatch();
        return heartbeat;
      },
      40s));
  CHECK(holdfast.tunnel()["attempt"] == 1);
  CHECK(echoes(port));
}

TEST_CASE("a relay whose kernel acknowledges for a frozen sshd is found dead, later by what was saved") {
  Sshd relay;
  const TargetServer target(echo());
  Tunnel tunnel = thrifty(relay);
  const char* lease = "";
  SUBCASE("with the lease") {
    lease = "yes";
  }
  SUBCASE("without") {
    lease = "no";
  }
  const Holdfast holdfast(tunnel.set("lease", lease).forward(to_local(free_port(), target.port())));
  REQUIRE(holdfast.wait_for_up());
  relay.freeze();
  const Stopwatch watch;
  CHECK(holdfast.wait_for_failure("relay_silent"));
  const auto found_after = watch.elapsed();
  relay.thaw();
  CHECK(found_after > 2000ms);
  CHECK(found_after <= 6000ms + slack);
  CHECK(holdfast.tunnel()["last_error"]["detail"] == "1 probes unanswered");
}

TEST_CASE("the bytes of a day are counted with their headers, and outlive the process") {
  Sshd relay;
  const TargetServer target(echo());
  const TempDir state;
  std::uint64_t before = 0;
  {
    Holdfast holdfast({Tunnel::to(relay).forward(to_local(free_port(), target.port()))},
                      {{"STATE_DIRECTORY", state.path()}});
    REQUIRE(holdfast.wait_for_up());
    const Json tunnel = holdfast.tunnel();
    before = tunnel["data"]["bytes_today"];
    const std::uint64_t payload =
        tunnel["bytes_sent"].get<std::uint64_t>() + tunnel["bytes_received"].get<std::uint64_t>();
    CHECK(before > payload + 20 * 52);
    CHECK(before < 2 * payload);
    CHECK(tunnel["data"]["idle_bytes_per_hour"].is_null());
    holdfast.signal(SIGTERM);
    REQUIRE(holdfast.wait());
  }
  const Holdfast holdfast({Tunnel::to(relay).forward(to_local(free_port(), target.port()))},
                          {{"STATE_DIRECTORY", state.path()}});
  const Json data = holdfast.tunnel()["data"];
  CHECK(data["bytes_this_month"].get<std::uint64_t>() >= before);
}

TEST_CASE("a further tunnel takes at most 68 KB of memory") {
  if (sanitized) {
    MESSAGE("a sanitizer's own memory would be measured: see the benchmark");
    return;
  }
  constexpr int more = 7;
  Sshd relay;
  const TargetServer target(echo());
  const auto tunnels = [&](int count) {
    std::vector<Tunnel> all;
    for (int number = 0; number < count; ++number) {
      all.push_back(Tunnel::to(relay, "relay" + std::to_string(number)).forward(to_local(free_port(), target.port())));
    }
    return all;
  };
  const Holdfast one(tunnels(1));
  const Holdfast several(tunnels(1 + more));
  REQUIRE(one.wait_for_up("relay0"));
  for (int number = 0; number <= more; ++number) REQUIRE(several.wait_for_up("relay" + std::to_string(number)));
  // What the start left behind is given back when all is quiet.
  CHECK(wait_until([&] { return anonymous_memory(several.pid()) - anonymous_memory(one.pid()) <= more * 68; }, 15s));
  MESSAGE(more << " more tunnels take " << anonymous_memory(several.pid()) - anonymous_memory(one.pid()) << " KB");
}
