#include "doctor/outside.hpp"

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <sstream>
#include <string>

#include "integration/doctor/laptop.hpp"
#include "support/targets.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

Finished look(const Laptop& laptop, std::uint16_t port, std::vector<std::string> more = {}) {
  more.insert(more.begin(), {"--from-outside", "relay.test:" + std::to_string(port)});
  return laptop.doctor(more);
}

}  // namespace

TEST_CASE("from outside: nobody listens") {
  const Sshd relay;
  const Laptop laptop{relay};
  std::uint16_t port = 0;
  { port = Listener::tcp().port(); }
  check(look(laptop, port), 2,
        {" ok    login", " FAIL  listener", "Fault:  listener: nobody listens", "whether it and its modem have power"});
}

TEST_CASE("from outside: a device answers, and its host key is compared") {
  const Sshd relay;
  const Sshd device;  // its sshd, at the end of the tunnel
  const Laptop laptop{relay};
  const Finished seen = look(laptop, device.port());
  check(seen, 0, {" ok    listener", "of user ", " ok    way back", " ok    target", "SSH-2.0-", "Nothing is wrong."});
  const std::string pin = "SHA256:" + std::string(43, 'A');
  check(
      look(laptop, device.port(), {"--pin", pin}), 2,
      {" FAIL  target", "another host key than the device", "Another device has the port, or this one's card is new"});
}

TEST_CASE("from outside: the listener takes a connection and nothing comes back") {
  const Sshd relay;
  const TargetServer silent{dead()};
  const Laptop laptop{relay};
  check(look(laptop, silent.port()), 2, {" FAIL  way back", "nothing came within", "power and signal"});
}

TEST_CASE("from outside: a service that waits to be spoken to is alive") {
  const Sshd relay;
  const TargetServer waits{echo()};
  const Laptop laptop{relay};
  check(look(laptop, waits.port()), 0,
        {" ok    way back", "ends it when we do", " ok    target", "says nothing until it is spoken to",
         "Nothing is wrong."});
  check(look(laptop, waits.port(), {"--pin", "SHA256:" + std::string(43, 'A')}), 2,
        {" FAIL  target", "it says nothing until it is spoken to, and shows no host key"});
}

TEST_CASE("from outside: an end that comes by itself is none that a living service makes") {
  const Sshd relay;
  const Laptop laptop{relay};
  std::atomic<int> visitors = 0;
  Conversation ends;
  SUBCASE("late, as of a target that holdfast gave up") {
    ends = [](Socket& socket) {
      pollfd hung_up{socket.fd(), 0, 0};
      ::poll(&hung_up, 1, 10'000);
    };
  }
  SUBCASE("once, as of a dead session that is let go of just then") {
    ends = [&](Socket& socket) {
      if (++visitors != 2) dead()(socket);
    };
  }
  const TargetServer target{ends};
  check(look(laptop, target.port()), 2, {" FAIL  way back", "nothing came within 5 s, and no end when we ended"});
}

TEST_CASE("from outside: nothing comes, and the device's lease stands or is of a process that is gone") {
  const Sshd relay;
  const TargetServer silent{dead()};
  const std::string records = relay.home() + "/.holdfast";
  std::filesystem::create_directory(records);
  std::filesystem::permissions(records, std::filesystem::perms{0755});  // the account is not ours
  std::string boot = read_file("/proc/sys/kernel/random/boot_id");
  boot.pop_back();
  std::istringstream stat{read_file("/proc/self/stat")};
  std::string born;
  for (int field = 1; field <= 22; ++field) stat >> born;
  const auto record = [&](const std::string& its_boot, const std::string& its_birth) {
    write_file(records + "/" + std::to_string(silent.port()) + "@" + std::to_string(::getpid()),
               "1 " + its_boot + " " + its_birth + " 3 40 gateway-7 .\n", 0644);
  };
  const Laptop laptop{relay};
  record(boot, born);
  check(
      look(laptop, silent.port()), 2,
      {" ok    way back", "the lease of device gateway-7 stands", " FAIL  target", "if the device went a moment ago"});
  SUBCASE("of another boot") {
    record("d0c2a4f6-0000-0000-0000-000000000000", born);
  }
  SUBCASE("of another process that had its number") {
    record(boot, born + "1");
  }
  check(look(laptop, silent.port()), 2, {" FAIL  way back", "nothing came within"});
}

TEST_CASE("from outside: a relay that ssh does not know is told from one with another key") {
  const Sshd relay;
  const Laptop laptop{relay};
  write_file(laptop.dir / "known", "");
  check(look(laptop, 4649), 2, {" FAIL  host key", "is not known"});
  SshdOptions options;
  options.host_key_set = 1;
  const Sshd other{options};
  const std::regex port{"]:" + std::to_string(other.port()) + " "};
  write_file(laptop.dir / "known",
             std::regex_replace(other.known_hosts(), port, "]:" + std::to_string(relay.port()) + " "));
  check(look(laptop, 4649), 2, {" FAIL  host key", "another host key"});
}

TEST_CASE("from outside: when the relay lets go of a dead session is told by how its sshd is set up") {
  SshdOptions options;
  options.config = {"ClientAliveInterval 5", "ClientAliveCountMax 2"};
  const Sshd relay{options};
  const TargetServer silent{dead()};
  const Laptop laptop{relay};
  check(look(laptop, silent.port()), 2, {"ends it within ", "(ClientAliveInterval 5 and ClientAliveCountMax 2"});
}

TEST_CASE("when a dead session's listener is free: by what of it was seen, and nothing is promised of what was not") {
  const auto said = [](const std::string& lines) {
    std::string output;
    std::istringstream each{lines};
    for (std::string line; std::getline(each, line, '|');) output += "holdfast-outside: " + line + "\n";
    return doctor::when_free(doctor::read_outside(output));
  };
  const auto says = [&](const std::string& lines, const std::string& words) {
    const std::string text = said(lines);
    CAPTURE(text);
    CHECK(text.find(words) != std::string::npos);
  };
  const std::string alive = "sshd clientaliveinterval 15|sshd clientalivecountmax 3";
  says(alive + "|version OpenSSH_10.0p2|retries 15", "within 1 min 0 s from now (Client");
  says(alive + "|version OpenSSH_9.2p1|retries 15", "within 2 min 0 s");
  says(alive + "|version OpenSSH_9.2p1", "ClientAliveCountMax 3, and twice that in OpenSSH_9.2p1; a connection");
  // The lease's guard, if each record has one.
  says(alive + "|lease 1 boot 12 3 40 gateway-7 .", "within 40 s");
  says("lease 1 boot 12 3 240 gateway-7 .|lease 1 boot 13 3 40 gateway-8 .|retries 15", "within 4 min 0 s");
  says("lease 1 boot 12 3 40 gateway-7 .|lease 1 boot 13 gateway-8 .|retries 15", "tcp_retries2 15");
  says("lease 1 boot 12 3 999999999 gateway-7 .|retries 15", "tcp_retries2 15");
  // Switched off, the kernel's own patience is left; where it can't be asked, that is said as well.
  says("sshd clientaliveinterval 0|sshd clientalivecountmax 3|retries 15", "within 17 min 25 s");
  CHECK(said("sshd clientaliveinterval 0|sshd clientalivecountmax 3|retries 15").find("sooner") == std::string::npos);
  says("retries 3", "within 2 min 3 s");
  says("retries 15", "sooner if sshd is set to: ClientAliveInterval");
  says("user me", "can't be seen from here");
  says("sshd clientaliveinterval x|retries -1", "can't be seen from here");
}

TEST_CASE("from outside: the tunnel stands, and its target is down or another service") {
  const Sshd relay;
  const TargetServer closes{[](Socket&) {}};
  const TargetServer web{greet_then_echo("HTTP/1.1 200 OK\r\n")};
  const Laptop laptop{relay};
  check(look(laptop, closes.port()), 2, {" ok    way back", "takes no connections", "systemctl status ssh"});
  check(look(laptop, web.port()), 1, {"HTTP/1.1 200 OK"});
}

TEST_CASE("from outside: what keeps ssh from the relay is named by its layer") {
  SshdOptions options;
  Sshd relay{options};
  const Laptop laptop{relay};
  relay.stop();
  check(look(laptop, 4649), 2, {" FAIL  relay's port", "Connection refused"});
}

TEST_CASE("from outside: no login at the relay, and a port that is none") {
  SshdOptions options;
  options.authorized_keys = std::vector<std::string>{};
  const Sshd relay{options};
  const Laptop laptop{relay};
  check(look(laptop, 4649), 2, {" FAIL  login", "listener, lease, way back, target: not looked at"});
  check(look(laptop, 4649), 2, {"Permission denied"});  // ssh's own words
  const Finished nothing = run({.argv = {HOLDFAST_BINARY, "doctor", "--from-outside", "me@relay"}});
  CHECK(nothing.status.code == 2);
  CHECK(nothing.errors.find("USER@RELAY:PORT") != std::string::npos);
}

TEST_CASE("who listens is read, with the address that ss gives") {
  const auto seen = doctor::read_outside(
      "holdfast-outside: program 127.0.0.1 python3\nholdfast-outside: program [::1] sshd\n"
      "holdfast-outside: program *\n");
  REQUIRE(seen.programs.size() == 2);
  CHECK(seen.programs[0].address == "127.0.0.1");
  CHECK(seen.programs[0].name == "python3");
  CHECK(seen.programs[1].name == "sshd");
}

TEST_CASE("an address of /proc/net/tcp is read as the kernel means it") {
  CHECK(doctor::address_of_proc("0100007F") == "127.0.0.1");
  CHECK(doctor::address_of_proc("00000000000000000000000001000000") == "::1");
  for (const char* none : {"", "0100007", "0100007G", "0100007F0100007F"}) CHECK(doctor::address_of_proc(none).empty());
}

TEST_CASE("what the relay's shell says is read, whatever stands around it") {
  const auto seen = doctor::read_outside(
      "Welcome!\nholdfast-outside: user me\nholdfast-outside: listens 0100007F tunnel\nholdfast-outside: listens zz x\n"
      "holdfast-outside: lease 1 boot 12 3 60 gateway-7 .\nholdfast-outside: lease 1 cut\nholdfast-outside: listed\n"
      "holdfast-outside: done\n");
  CHECK(seen.ran);
  CHECK(seen.listed);
  REQUIRE(seen.listeners.size() == 1);
  CHECK(seen.listeners[0].user == "tunnel");
  CHECK(seen.devices == std::vector<std::string>{"gateway-7"});
  CHECK(seen.guards == std::vector<unsigned>{60});
  CHECK_FALSE(doctor::read_outside("This account is currently not available.\n").ran);
}
