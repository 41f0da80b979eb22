// holdfast through the faults: after each of them content flows again within a generous time, by the listener of a
// living session, and without a storm of attempts. How fast is the benchmark's business (tests/bench/recovery).
#include <doctest/doctest.h>

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
};

SiteOptions with_client_alive() {
  SiteOptions options;
  options.relay.client_alive = 5;
  return options;
}

TEST_SUITE_BEGIN("link");

TEST_CASE("the target answers soon after the start, whatever the distance") {
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

TEST_CASE("a session survives five seconds without signal") {
  HoldfastSite site;
  site.check(signal_gone(site, {}, 5s, 20s), 1);
  CHECK(site.probe.old_session_stands());
  CHECK(site.probe.old_listener_stands());
}

// The relay has to let go by itself: whether the dead session's FIN still comes through is chance.
TEST_CASE("after thirty seconds without signal the tunnel is back once the relay lets go of the old session") {
  HoldfastSite site(with_client_alive());
  site.check(signal_gone(site, {}, 30s, 120s), 30);
}

TEST_CASE("content comes through a link with loss and jitter unharmed") {
  HoldfastSite site;
  const Result result = bad_link(site, {}, 20s);
  site.check(result, 3);
  CHECK(site.probe.answered());
  CHECK(site.probe.echoes(200'000));
}

TEST_SUITE_END();
TEST_SUITE_BEGIN("relay");

TEST_CASE("when the relay's sshd was away for ten seconds the tunnel is back") {
  HoldfastSite site;
  site.check(relay_restarted(site, {}, 10s, 90s), 20);
  CHECK_FALSE(site.probe.old_listener_stands());
}

TEST_CASE("when the relay's sshd was killed the tunnel is back") {
  HoldfastSite site;
  site.check(relay_restarted(site, {}, 0s, 30s), 20);
}

TEST_CASE("when the relay's host was rebooted the tunnel is back") {
  HoldfastSite site;
  site.check(relay_rebooted(site, {}, 10s, 90s), 20);
}

TEST_CASE("a relay that lets go of dead peers gets the device back after a power cut") {
  HoldfastSite site(with_client_alive());
  site.check(power_cut(site, {}, 120s), 30);
}

TEST_SUITE_END();
TEST_SUITE_BEGIN("device");

TEST_CASE("a device with a new address is back once the relay lets go of the old one") {
  HoldfastSite site(with_client_alive());
  site.check(new_address(site, {}, 150s), 30);
}

TEST_CASE("when the target was down it answers again through the same session") {
  HoldfastSite site;
  site.check(target_down(site, {}, 5s, 10s), 1);
  CHECK(site.probe.old_listener_stands());
}

TEST_CASE("a device that was suspended for half a minute is back") {
  HoldfastSite site;
  site.check(suspended(site, {}, 30s, 60s), 20);
}

TEST_CASE("a wall clock set back a year does not delay the tunnel") {
  HoldfastSite site;
  site.check(clock_set_back(site, {}, 30s), 20);
}

TEST_CASE("on SIGTERM the listener is gone before the process is, also far away") {
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

TEST_SUITE_END();

}  // namespace
}  // namespace holdfast::lab
