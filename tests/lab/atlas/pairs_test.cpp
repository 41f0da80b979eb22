// Of two faults at once the lower is named first.
#include <doctest/doctest.h>

#include <memory>

#include "lab/atlas/atlas.hpp"
#include "support/net.hpp"
#include "support/targets.hpp"

using namespace holdfast;
using namespace holdfast::lab;
using namespace std::chrono_literals;

namespace {

SiteOptions configured(std::vector<std::string> config) {
  SiteOptions options;
  options.relay.config = std::move(config);
  return options;
}

/// The relay's key is another than the known one.
void change_host_key(Bedside& bedside, const test::TempDir& dir) {
  test::run_checked({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", dir / "other"}});
  test::write_file(bedside.relay.known_hosts(),
                   std::string(Lab::relay_name) + "," + Lab::relay_address + " " + test::read_file(dir / "other.pub"));
}

/// A web server answers in the relay's place.
std::unique_ptr<test::TargetServer> portal(Bedside& bedside) {
  bedside.relay.terminate();
  const InNetwork here(bedside.lab.relay());
  return std::make_unique<test::TargetServer>(
      [](test::Socket& socket) {
        socket.receive();
        socket.send("HTTP/1.1 400 Bad Request\r\n\r\n");
      },
      test::Listener::tcp_everywhere(Lab::ssh_port));
}

}  // namespace

TEST_CASE("the link is off, and nobody listens at the relay") {
  Bedside bedside;
  bedside.relay.terminate();
  bedside.lab.set_device_link(false);
  check_answer(bedside.examine(), "link_down");
}

TEST_CASE("the link is off, and the target is down: the one is not the other's consequence") {
  Bedside bedside;
  bedside.stop_target();
  bedside.lab.set_device_link(false);
  const Seen seen = bedside.examine();
  check_answer(seen, "link_down");
  CHECK(seen.layers.at("target").cause == "target_down");
  CHECK(seen.layers.at("target").hidden_by.empty());
}

TEST_CASE("there is no default route, and the host key has changed") {
  Bedside bedside;
  const test::TempDir dir;
  change_host_key(bedside, dir);
  bedside.lab.device().ip("route del default\n");
  check_answer(bedside.examine(), "no_default_route");
}

TEST_CASE("there is no address, and nobody listens at the relay") {
  Bedside bedside;
  bedside.relay.terminate();
  bedside.lab.device().ip("addr flush dev wwan0\n");
  check_answer(bedside.examine(), "no_address");
}

TEST_CASE("nobody listens at the relay, and the target is down") {
  Bedside bedside;
  bedside.relay.terminate();
  bedside.stop_target();
  const Seen seen = bedside.examine();
  check_answer(seen, "connection_refused", 10s);
  CHECK(seen.layers.at("target").cause == "target_down");
}

TEST_CASE("a web server answers in the relay's place, and the target is down") {
  Bedside bedside;
  const auto server = portal(bedside);
  bedside.stop_target();
  check_answer(bedside.examine(), "captive_portal", 10s);
}

TEST_CASE("no key exchange is common, and the host key has changed") {
  Bedside bedside(configured({"KexAlgorithms curve25519-sha256"}));
  const test::TempDir dir;
  change_host_key(bedside, dir);
  bedside.subject.settings().more = {"kex_algorithms: diffie-hellman-group18-sha512"};
  check_answer(bedside.examine(), "no_common_algorithm", 10s);
}

TEST_CASE("the host key has changed, and there is no such user") {
  Bedside bedside;
  const test::TempDir dir;
  change_host_key(bedside, dir);
  bedside.subject.settings().user = "nobody-there";
  check_answer(bedside.examine(), "host_key_changed", 10s);
}

TEST_CASE("the login is refused, and somebody has the listener's port") {
  Bedside bedside(configured({"PubkeyAuthentication no", "PasswordAuthentication yes"}));
  const InNetwork here(bedside.lab.relay());
  const test::TargetServer holder(test::greet_then_echo("hello\r\n"), test::Listener::tcp(Site::tunnel_port));
  check_answer(bedside.examine(), "login_method_missing", 10s);
}

TEST_CASE("somebody has the listener's port, and the target is down") {
  Bedside bedside;
  bedside.stop_target();
  const InNetwork here(bedside.lab.relay());
  const test::TargetServer holder(test::greet_then_echo("hello\r\n"), test::Listener::tcp(Site::tunnel_port));
  const Seen seen = bedside.examine();
  check_answer(seen, "listener_held_live", 10s);
  CHECK(seen.layers.at("target").cause == "target_down");
}

TEST_CASE("the login is refused, and the target is down") {
  Bedside bedside;
  bedside.stop_target();
  bedside.subject.settings().user = "nobody-there";
  check_answer(bedside.examine(), "authentication_refused", 10s);
}
