// The lab must be what it claims to be, or the figures taken in it mean nothing.
#include <dirent.h>
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "lab/faults.hpp"
#include "support/wait.hpp"

namespace holdfast::lab {
namespace {

using namespace std::chrono_literals;
using test::holds_for;
using test::Socket;
using test::wait_until;

/// A connection from the device to the relay's sshd, whose banner was read.
Socket call_relay(const Lab& lab) {
  const InNetwork here(lab.device());
  Socket socket = Socket::connect_tcp(Lab::relay_address, Lab::ssh_port, 20s);
  CHECK(socket.receive_until("\n").starts_with("SSH-2.0-"));
  return socket;
}

/// Does sshd answer our banner with its key exchange?
bool goes_on(Socket& socket) {
  socket.set_timeout(2s);
  try {
    socket.send("SSH-2.0-lab\r\n");
    return !socket.receive().empty();
  } catch (const std::system_error&) {
    return false;
  }
}

TEST_CASE("a connection takes the link's round trip, and the relay sees the carrier's address") {
  Lab lab;
  const Relay relay(lab, {});
  lab.set_rtt(200ms);
  const TimePoint start = Clock::now();
  {
    const InNetwork here(lab.device());
    const Socket socket = Socket::connect_tcp(Lab::relay_address, Lab::ssh_port);
  }
  const auto took = Clock::now() - start;
  CHECK(took >= 200ms);
  CHECK(took < 350ms);
  CHECK(wait_until([&] { return relay.log().find("Connection from 198.51.100.1 ") != std::string::npos; }));
  CHECK(relay.connections() == 1);
}

TEST_CASE("an idle link carries not one packet, and a connection's bytes are counted each way") {
  Lab lab;
  const Relay relay(lab, {});
  CHECK(holds_for([&] { return lab.bytes() == 0; }, 3s));
  Socket socket = call_relay(lab);
  const LinkStats stats = lab.stats();
  CHECK(stats.up.delivered.packets >= 3);           // SYN, ACK, ACK
  CHECK(stats.up.delivered.bytes >= 60 + 52 + 52);  // with options: IP level, no Ethernet header
  CHECK(stats.down.delivered.packets >= 2);
  CHECK(stats.down.delivered.bytes < 400);
}

TEST_CASE("each direction can be black alone") {
  Lab lab;
  const Relay relay(lab, {});
  Socket socket = call_relay(lab);
  lab.blackhole(false, true);
  const LinkStats before = lab.stats();
  CHECK_FALSE(goes_on(socket));
  const LinkStats after = lab.stats();
  CHECK(after.up.delivered.packets > before.up.delivered.packets);
  CHECK(after.down.swallowed.packets > before.down.swallowed.packets);
  lab.blackhole(false);
  socket.set_timeout(10s);
  CHECK_FALSE(socket.receive().empty());
}

TEST_CASE("a carrier that forgets kills a connection without a word, and takes new ones") {
  Lab lab;
  const Relay relay(lab, {});
  Socket remembered = call_relay(lab);
  CHECK(goes_on(remembered));
  Socket forgotten = call_relay(lab);
  lab.forget_nat();
  CHECK_FALSE(goes_on(forgotten));
  CHECK(established_to(lab.device(), Lab::ssh_port).size() == 2);  // nobody told it
  Socket fresh = call_relay(lab);
  CHECK(goes_on(fresh));
}

TEST_CASE("a relay that speaks into a forgotten connection hears nothing, not even a reset") {
  Lab lab;
  const Relay relay(lab, {});
  Socket socket = call_relay(lab);
  lab.blackhole(false, true);
  CHECK_FALSE(goes_on(socket));  // from now on the relay sends its key exchange again and again
  lab.forget_nat();
  lab.blackhole(false);
  CHECK(holds_for([&] { return established_at(lab.relay(), Lab::ssh_port) == 1; }, 8s));
}

TEST_CASE("a device with a new address keeps its old connection in vain") {
  Lab lab;
  const Relay relay(lab, {});
  Socket old = call_relay(lab);
  lab.new_device_address();
  CHECK_FALSE(goes_on(old));
  Socket fresh = call_relay(lab);
  CHECK(goes_on(fresh));
}

TEST_CASE("a power cut at the device says nothing to the relay") {
  Lab lab;
  const Relay relay(lab, {});
  {
    const Socket cut_off = call_relay(lab);
    REQUIRE(established_at(lab.relay(), Lab::ssh_port) == 1);
    lab.cut_device_power();
  }  // its kernel closes it only now, without a wire
  CHECK(holds_for([&] { return established_at(lab.relay(), Lab::ssh_port) == 1; }, 1s));
  Socket fresh = call_relay(lab);
  CHECK(goes_on(fresh));
}

TEST_CASE("a rebooted relay has another boot id, the same files, and resets connections of its former life") {
  Lab lab;
  Relay relay(lab, {});
  const auto boot_id = [&] { return lab.relay().run({"cat", "/proc/sys/kernel/random/boot_id"}); };
  const std::string before = boot_id();
  CHECK(before.size() == 37);
  lab.relay().run({"touch", "/home/tunnel/kept"});
  Socket socket = call_relay(lab);
  lab.cut_relay_power();
  relay.kill();
  CHECK(holds_for([&] { return established_to(lab.device(), Lab::ssh_port).size() == 1; }, 500ms));
  lab.plug_relay_in();
  relay.start();
  CHECK(boot_id() != before);
  CHECK(std::filesystem::exists(lab.relay_home() + "/kept"));
  socket.send("x");
  CHECK(socket.closed_by_peer());
}

TEST_CASE("a name is resolved from the device once the carrier has a name server") {
  Lab lab;
  const auto look_up = [&](const std::string& database) {
    return test::run(lab.device().on(
        {.argv = {"getent", database, Lab::relay_name}, .env = {{"RES_OPTIONS", "timeout:1 attempts:1"}}}));
  };
  CHECK(look_up("ahostsv4").status.code == 0);  // /etc/hosts
  lab.forget_relay_name();
  CHECK(look_up("ahostsv4").status.code != 0);
  const Resolver resolver(lab.carrier(), Lab::relay_address);
  CHECK(look_up("ahostsv4").output.starts_with(Lab::relay_address));
  CHECK(look_up("ahosts").output.starts_with(Lab::relay_address));
}

TEST_CASE("a subject's wall clock can be set off while it runs") {
  Lab lab;
  Subject subject(lab,
                  {"clock",
                   [](const TunnelSettings&, const std::string&) {
                     return test::Command{.argv = {"sh", "-c", "while date -u +%F; do :; done"}};
                   }},
                  {});
  subject.own_wall_clock();
  subject.start();
  const auto says = [&](const std::string& day) { return subject.log().find(day) != std::string::npos; };
  CHECK(wait_until([&] { return !subject.log().empty(); }));
  CHECK_FALSE(says("1970-01-0"));
  subject.set_wall_clock_off(-std::chrono::seconds{std::time(nullptr) - 86400});
  CHECK(wait_until([&] { return says("1970-01-02"); }));
}

/// Do any processes live in this network namespace?
bool inhabited(ino_t network) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    struct stat info {};
    if (::stat((entry.path() / "ns/net").c_str(), &info) == 0 && info.st_ino == network) {
      return true;
    }
  }
  return false;
}

TEST_CASE("a test that is killed leaves no process of its lab behind") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    Lab lab;
    const Relay relay(lab, {});
    struct stat info {};
    ::fstat(lab.relay().network_fd(), &info);
    if (::write(ends[1], &info.st_ino, sizeof info.st_ino) > 0) {
      ::pause();
    }
    ::_exit(1);
  }
  ino_t network = 0;
  REQUIRE(::read(ends[0], &network, sizeof network) == sizeof network);
  CHECK(inhabited(network));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(wait_until([&] { return !inhabited(network); }));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST_CASE("today's programs bring the target's content to the relay and leave on SIGTERM") {
  for (const SubjectKind& kind : {ssh_in_a_loop(), autossh()}) {
    if (kind.name == "autossh" && std::system("command -v autossh >/dev/null") != 0) {
      MESSAGE("no autossh here");
      continue;
    }
    CAPTURE(kind.name);
    Site site({}, kind);
    const Result result = sigterm(site, {}, 10s);
    REQUIRE(result.value);
    CHECK(*result.value > 0.015);  // half a round trip, but for what a busy machine takes to look at the clock
    CHECK(*result.value < 1);
  }
}

TEST_CASE("with sshd's defaults a power cut leaves a stale listener that refuses the device's next session") {
  Site site({}, ssh_in_a_loop());
  const Result result = power_cut(site, {}, 8s);
  CHECK_FALSE(result.value);
  CHECK(site.probe.old_listener_stands());
  CHECK(site.subject.log().find("remote port forwarding failed for listen port 4649") != std::string::npos);
}

TEST_CASE("a session survives five seconds without signal, and the probe sees it") {
  Site site({}, ssh_in_a_loop());
  const Result result = signal_gone(site, {}, 5s, 30s);
  CHECK(result.value);
  CHECK(site.relay.connections() == 1);
}

}  // namespace
}  // namespace holdfast::lab
