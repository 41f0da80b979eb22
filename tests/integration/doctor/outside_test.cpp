#include "doctor/outside.hpp"

#include <doctest/doctest.h>

#include <regex>
#include <string>

#include "support/keys.hpp"
#include "support/process.hpp"
#include "support/sshd.hpp"
#include "support/targets.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// A maintainer's laptop, whose ssh logs in at the relay without a question.
struct Laptop {
  explicit Laptop(const Sshd& relay) {
    write_file(dir / "known", relay.known_hosts());
    write_file(dir / "config", "Host relay.test\n  HostName " + relay.host() + "\n  Port " +
                                   std::to_string(relay.port()) + "\n  User " + relay.user() + "\n  HostKeyAlias [" +
                                   relay.host() + "]:" + std::to_string(relay.port()) + "\n  UserKnownHostsFile " +
                                   (dir / "known") + "\n  IdentityFile " + client_key() +
                                   "\n  IdentitiesOnly yes\n  BatchMode yes\n");
    write_file(dir / "ssh", "#!/bin/sh\nexec /usr/bin/ssh -F " + (dir / "config") + " \"$@\"\n", 0755);
  }

  Finished look(std::uint16_t port, const std::vector<std::string>& more = {}) const {
    Command command{.argv = {HOLDFAST_BINARY, "doctor", "--from-outside", "relay.test:" + std::to_string(port)},
                    .env = {{"PATH", dir.path().string() + ":/usr/bin:/bin"}, {"HOME", dir.path()}}};
    command.argv.insert(command.argv.end(), more.begin(), more.end());
    return run(command);
  }

  TempDir dir;
};

/// As it was before it was broken into lines.
std::string unwrapped(const std::string& text) {
  return std::regex_replace(text, std::regex{"\n {8,}"}, " ");
}

void check(const Finished& seen, int status, const std::vector<std::string>& said) {
  CAPTURE(seen.output);
  CAPTURE(seen.errors);
  CHECK(seen.status.code == status);
  for (const std::string& words : said) {
    CAPTURE(words);
    CHECK(unwrapped(seen.output).find(words) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("from outside: nobody listens") {
  const Sshd relay;
  const Laptop laptop{relay};
  std::uint16_t port = 0;
  { port = Listener::tcp().port(); }
  check(laptop.look(port), 2,
        {" ok    login", " FAIL  listener", "Fault:  nobody listens", "whether it and its modem have power"});
}

TEST_CASE("from outside: a device answers, and its host key is compared") {
  const Sshd relay;
  const Sshd device;  // its sshd, at the end of the tunnel
  const Laptop laptop{relay};
  const Finished seen = laptop.look(device.port());
  check(seen, 0, {" ok    listener", "of user ", " ok    way back", " ok    target", "SSH-2.0-", "Nothing is wrong."});
  const std::string pin = "SHA256:" + std::string(43, 'A');
  check(laptop.look(device.port(), {"--pin", pin}), 2, {" FAIL  target", "host_key_fingerprint"});
}

TEST_CASE("from outside: the listener takes a connection and nothing comes back") {
  const Sshd relay;
  const TargetServer silent{echo()};
  const Laptop laptop{relay};
  check(laptop.look(silent.port()), 2, {" FAIL  way back", "nothing came within", "power and signal"});
}

TEST_CASE("from outside: the tunnel stands, and its target is down or another service") {
  const Sshd relay;
  const TargetServer closes{[](Socket&) {}};
  const TargetServer web{greet_then_echo("HTTP/1.1 200 OK\r\n")};
  const Laptop laptop{relay};
  check(laptop.look(closes.port()), 2, {" ok    way back", "takes no connections", "systemctl status ssh"});
  check(laptop.look(web.port()), 1, {"HTTP/1.1 200 OK"});
}

TEST_CASE("from outside: no login at the relay, and a port that is none") {
  SshdOptions options;
  options.authorized_keys = std::vector<std::string>{};
  const Sshd relay{options};
  const Laptop laptop{relay};
  check(laptop.look(4649), 2, {" FAIL  login", "listener, lease, way back, target: not looked at"});
  CHECK(laptop.look(4649).errors.find("Permission denied") != std::string::npos);  // ssh's own words
  const Finished nothing = run({.argv = {HOLDFAST_BINARY, "doctor", "--from-outside", "me@relay"}});
  CHECK(nothing.status.code == 2);
  CHECK(nothing.errors.find("USER@RELAY:PORT") != std::string::npos);
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
  CHECK_FALSE(doctor::read_outside("This account is currently not available.\n").ran);
}
