// holdfast through the faults: after each of them content flows again within a generous time, by the listener of a
// living session, and without a storm of attempts. How fast is the benchmark's business (tests/bench/recovery).
// What stands before the colon is the name of the ctest entry, lab_NAME: CMakeLists.txt lists them.
#include <doctest/doctest.h>
#include <poll.h>

#include <functional>

#include "lab/faults.hpp"

namespace holdfast::lab {
namespace {

using namespace std::chrono_literals;

struct HoldfastSite : Site {
  explicit HoldfastSite(const SiteOptions& options = {}) : Site(options, holdfast_at(HOLDFAST_BINARY)) {}

  void check(const Result& result, std::size_t most_connections) {
    INFO(result.remark << "\n--- holdfast:\n" << subject.log() << "\n--- relay:\n" << relay.log());
    CHECK(result.value);
    CHECK(probe.listening());
    CHECK(relay.connections() >= 1);
    CHECK(relay.connections() <= most_connections);
    CHECK(subject.running());
  }

  void check_large_packets(const std::function<void(HoldfastSite&)>& use) {
    subject.start();
    use(*this);
    const auto named = time_to_log(": path mtu (", 45s);  // by the liveness rule at the latest
    INFO("--- holdfast:\n" << subject.log());
    REQUIRE(named);
    probe.hang_up();
    REQUIRE(probe.wait_for_answer(15s));
    CHECK(probe.echoes(1'000'000));
    CHECK(relay.connections() == 2);
    for (const char* blamed : {"GatewayPorts", "refused", "slow", "does not answer", "no answer"}) {
      CAPTURE(blamed);
      CHECK(subject.log().find(blamed) == std::string::npos);
    }
  }

  std::optional<Duration> time_to_log(const std::string& text, Duration limit) {
    const TimePoint start = Clock::now();
    while (Clock::now() - start < limit) {
      if (subject.log().find(text) != std::string::npos) return Clock::now() - start;
      ::poll(nullptr, 0, 50);
    }
    return std::nullopt;
  }
};

/// What a machine that is busy with other tests may need on top.
constexpr Duration busy = 1s;

SiteOptions with_client_alive(const std::string& shell = "/bin/sh") {
  SiteOptions options;
  options.relay = {.client_alive = 5, .shell = shell};
  return options;
}

SiteOptions with_economy() {
  SiteOptions options;
  options.holdfast = {"economy: yes"};
  return options;
}

SiteOptions without_shell() {
  SiteOptions options;
  options.relay.shell = "/usr/sbin/nologin";
  return options;
}

// ---- the link -----------------------------------------------------------------------------------------------------

TEST_CASE("cold-start: the target answers soon, whatever the distance") {
  for (const Duration rtt : {Duration(0ms), Duration(60ms), Duration(300ms)}) {
    SiteOptions options;
    options.rtt = rtt;
    HoldfastSite site(options);
    site.subject.start();
    const auto took = site.probe.wait_for_answer(15s);
    REQUIRE_MESSAGE(took, site.subject.log());
    CHECK(site.probe.echoes(100'000));
    CHECK(site.relay.connections() == 1);
  }
}

TEST_CASE("signal-5: a session survives five seconds without signal") {
  HoldfastSite site;
  site.check(signal_gone(site, {}, 5s, 20s), 1);
  CHECK(site.probe.old_session_stands());
  CHECK(site.probe.old_listener_stands());
}

TEST_CASE("signal-30: after thirty seconds without signal the tunnel is back on a stock relay") {
  HoldfastSite site;
  site.check(signal_gone(site, {}, 30s, 30s), 12);
  CHECK_FALSE(site.probe.old_listener_stands());
}

TEST_CASE("signal-30-no-shell: the dead socket's reset frees the port where nothing can be run on the relay") {
  HoldfastSite site(without_shell());
  site.check(signal_gone(site, {}, 30s, 30s), 12);
  CHECK_FALSE(site.probe.old_listener_stands());
}

TEST_CASE("signal-300: after five minutes without signal the tunnel is back") {
  HoldfastSite site;
  site.check(signal_gone(site, {}, 300s, 45s), 60);
}

TEST_CASE("gain-elsewhere: an interface that comes up after a hole does not end a session that TCP would heal") {
  SiteOptions options;
  options.server_alive_interval = 1;
  options.server_alive_count_max = 60;
  HoldfastSite site(options);
  site.establish();
  site.probe.mark_old(true);
  site.lab.blackhole(true);
  let_pass(15s);  // keepalives are under way, and TCP repeats them ever more rarely
  site.lab.blackhole(false);
  site.lab.device().ip(
      "link add other0 type veth peer name other1\nlink set other1 up\n"
      "addr add 10.77.0.1/24 dev other0\nlink set other0 up\n");
  CHECK(site.probe.wait_for_answer(40s));
  CHECK(site.probe.old_session_stands());
  CHECK(site.relay.connections() == 1);
}

TEST_CASE("bad-link: ten minutes of loss and jitter do no harm to the content") {
  HoldfastSite site;
  const Result result = bad_link(site, {}, 600s);
  site.check(result, 3);
  CHECK(site.probe.answered());
  CHECK(site.probe.echoes(200'000));
}

// What is large first is what the lease asks the relay to run, 3.4 KB; the login and the listeners are small.
TEST_CASE("large-lost-up: large packets to the relay vanish, and the tunnel works with smaller ones") {
  HoldfastSite site;
  site.lab.lose_large_packets(true, false);
  site.check_large_packets([](HoldfastSite&) {});
}

TEST_CASE("large-lost-down: large packets to the device vanish, and the tunnel works with smaller ones") {
  HoldfastSite site;
  site.lab.lose_large_packets(false, true);
  site.check_large_packets([](HoldfastSite& cut) {
    REQUIRE(cut.probe.wait_for_answer(15s));
    CHECK_FALSE(cut.probe.echoes(2000));  // until the session is given up
  });
}

TEST_CASE("large-lost-ipv6: large packets vanish both ways, over IPv6 too") {
  HoldfastSite site;
  site.lab.go_ipv6();
  site.lab.lose_large_packets(true, true);
  site.check_large_packets([](HoldfastSite&) {});
}

// Then TCP has nothing small that would tell it from an outage: what the liveness rule ends is tried with less.
TEST_CASE("large-lost-bulk: a flood that is lost before anything small ends by the liveness rule, once") {
  HoldfastSite site;
  site.lab.lose_large_packets(false, true);
  site.subject.start();
  REQUIRE(site.probe.wait_for_answer(15s));
  CHECK_FALSE(site.probe.echoes(1'000'000));
  site.probe.hang_up();
  REQUIRE(site.probe.wait_for_answer(15s));
  INFO(site.subject.log());
  CHECK(site.probe.echoes(1'000'000));
  CHECK(site.relay.connections() == 2);
}

TEST_CASE("nat-forgets: a device that the carrier forgot notices, and is back") {
  HoldfastSite site;
  site.check(nat_forgets(site, {}, 45s), 5);
  CHECK_FALSE(site.probe.old_listener_stands());
}

// ---- the relay ----------------------------------------------------------------------------------------------------

TEST_CASE("relay-restart: when the relay's sshd was away for ten seconds the tunnel is back") {
  HoldfastSite site;
  site.check(relay_restarted(site, {}, 10s, 60s), 20);
  CHECK_FALSE(site.probe.old_listener_stands());
}

TEST_CASE("relay-killed: when the relay's sshd was killed the tunnel is back") {
  HoldfastSite site;
  site.check(relay_restarted(site, {}, 0s, 30s), 20);
}

TEST_CASE("relay-reboot: when the relay's host was rebooted the tunnel is back") {
  HoldfastSite site;
  site.check(relay_rebooted(site, {}, 10s, 60s), 20);
}

TEST_CASE("relay-frozen: a relay that acknowledges and does not answer is given up in time") {
  HoldfastSite site;
  const Result noticed = relay_frozen(site, {}, 40s);
  INFO(site.subject.log());
  REQUIRE(noticed.value);
  CHECK(*noticed.value > 14);  // five seconds at most had passed of the first interval
  CHECK(*noticed.value < 23);
  CHECK(site.probe.wait_for_answer(60s));
}

TEST_CASE(
    "economy-silent: a path without acknowledgements is given up as soon as without economy, and the device is back") {
  HoldfastSite site(with_economy());
  site.establish();
  site.lab.blackhole(true);
  const auto found = site.time_to_log("relay silent (", 40s);
  site.lab.blackhole(false);
  INFO(site.subject.log());
  REQUIRE(found);
  CHECK(*found > 14s);  // five seconds at most had passed since the last acknowledgement
  CHECK(*found < 20s + busy);
  CHECK(site.probe.wait_for_answer(60s));
}

TEST_CASE("economy-lossy: three keepalives that are lost in a row are not the end") {
  HoldfastSite site(with_economy());
  site.establish();
  // Right after a heartbeat of an idle session only keepalives follow, for 25 s: no data that TCP would send again.
  constexpr std::uint64_t more_than_acknowledged = 80;
  const auto received = [&] { return site.lab.stats().down.delivered.bytes; };
  const TimePoint start = Clock::now();
  TimePoint idle_since = start;
  for (std::uint64_t before = received();
       Clock::now() - idle_since < 15s || received() - before < more_than_acknowledged;) {
    REQUIRE(Clock::now() - start < 90s);
    const std::uint64_t now = received();
    if (now - before >= more_than_acknowledged) idle_since = Clock::now();
    before = now;
    let_pass(50ms);
  }
  let_pass(500ms);  // until that is acknowledged
  site.lab.blackhole(true);
  let_pass(16s);  // 5, 10 and 15 s after the heartbeat; at 20 s the path counts as dead
  site.lab.blackhole(false);
  CHECK_FALSE(site.time_to_log("relay silent", 10s));
  CHECK(site.probe.wait_for_answer(10s));
  INFO(site.subject.log());
  CHECK(site.relay.connections() == 1);
}

TEST_CASE("economy-frozen: a relay whose kernel acknowledges for a frozen sshd is given up, if later") {
  HoldfastSite site(with_economy());
  const Result noticed = relay_frozen(site, {}, 60s);
  INFO(site.subject.log());
  REQUIRE(noticed.value);
  CHECK(*noticed.value > 15);
  CHECK(*noticed.value < 43);  // (5 + 3) x 5 s
  CHECK(site.subject.log().find("3 probes unanswered") != std::string::npos);
  CHECK(site.probe.wait_for_answer(60s));
}

TEST_CASE("economy-guard: the relay drops the listener of a device that stays away, if later") {
  HoldfastSite site(with_economy());
  const Result gone = power_cut_for_good(site, {}, 60s);
  INFO(site.relay.log());
  REQUIRE(gone.value);
  CHECK(*gone.value < 43);
}

TEST_CASE("port-held: a port that a stranger held is taken once it is free, on one session") {
  HoldfastSite site;
  site.check(port_held(site, {}, 20s, 20s), 1);
}

TEST_CASE("port-held-device: another living device is named and left alone, and its port taken once it is free") {
  HoldfastSite site;
  site.check(port_held_by_device(site, {}, holdfast_at(HOLDFAST_BINARY), 20s, 20s), 2);
  CHECK(site.subject.log().find("held by a session of ") != std::string::npos);
}

TEST_CASE("port-held-autossh: a living autossh of the same account is left alone, and its port taken once it is free") {
  HoldfastSite site;
  site.check(port_held_by_device(site, {}, autossh(), 20s, 20s), 2);
}

// ---- the device ---------------------------------------------------------------------------------------------------

TEST_CASE("power-cut: the listener of before is evicted from a relay with sshd's defaults") {
  HoldfastSite site;
  site.check(power_cut(site, {}, 15s), 2);
  CHECK_FALSE(site.probe.old_listener_stands());
}

TEST_CASE("power-cut-no-shell: the port is taken once the relay lets go, on one session") {
  HoldfastSite site(with_client_alive("/usr/sbin/nologin"));
  site.check(power_cut(site, {}, 60s), 2);
}

TEST_CASE("power-cut-for-good: the relay drops the listener of a device that stays away") {
  HoldfastSite site;
  const Result gone = power_cut_for_good(site, {}, 45s);
  INFO(site.relay.log());
  CHECK(gone.value);
}

TEST_CASE("autossh-replaced: what an autossh left behind is taken once the relay lets go") {
  HoldfastSite site(with_client_alive());
  site.check(autossh_replaced(site, {}, 60s), 4);
}

// With sshd's defaults, which never let go of a dead peer by themselves.
TEST_CASE("new-address: a device with a new address is back within two seconds") {
  HoldfastSite site;
  site.check(new_address(site, {}, 2s + busy), 2);
  CHECK(site.subject.log().find("10.64.0.2 is gone") != std::string::npos);
  CHECK_FALSE(site.probe.old_listener_stands());
}

TEST_CASE("new-route: a device whose default route moves to another link is back soon") {
  HoldfastSite site;
  site.check(new_route(site, {}, 3s + busy), 2);
}

TEST_CASE("link-down: a tunnel that waits tries within two seconds after the link came up, however long that took") {
  HoldfastSite site;
  site.check(link_down(site, {}, 40s, 2s + busy), 2);
  CHECK(site.subject.log().find("wwan0 has 10.64.0.2; default route by 10.64.0.1 over wwan0") != std::string::npos);
}

TEST_CASE("dns-dead: a device that boots without a name server is back once there is one") {
  HoldfastSite site;
  site.check(dns_dead_at_boot(site, {}, 20s, 60s), 1);
}

TEST_CASE("dns-dead-known: a start without a name server takes two seconds, by the addresses of the last time") {
  HoldfastSite site;
  site.check(dns_dead_known(site, {}, 2s + busy), 2);
  CHECK(site.subject.log().find("using the addresses of relay.lab from") != std::string::npos);
}

TEST_CASE("target-down: when the target was down it answers again through the same session") {
  HoldfastSite site;
  site.check(target_down(site, {}, 5s, 10s), 1);
  CHECK(site.probe.old_listener_stands());
}

TEST_CASE("suspend: a device that was suspended for a minute is back") {
  HoldfastSite site;
  site.check(suspended(site, {}, 60s, 30s), 20);
}

TEST_CASE("clock-back: a wall clock set back a year does not delay the tunnel") {
  HoldfastSite site;
  site.check(clock_set_back(site, {}, 30s), 20);
}

TEST_CASE("sigterm: the listener is gone before the process is, also far away") {
  SiteOptions options;
  options.rtt = 300ms;
  HoldfastSite site(options);
  site.establish();
  site.subject.sigterm();
  std::optional<bool> listening_at_the_end;
  CHECK(time_until(
      [&] {
        if (site.subject.running()) {
          return false;
        }
        listening_at_the_end = site.probe.listening();
        return true;
      },
      10s));
  CHECK(listening_at_the_end == false);
}

}  // namespace
}  // namespace holdfast::lab
