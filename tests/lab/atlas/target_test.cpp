// What the tunnel leads to.
#include <doctest/doctest.h>

#include "lab/atlas/atlas.hpp"
#include "support/net.hpp"
#include "support/targets.hpp"

using namespace holdfast;
using namespace holdfast::lab;
using namespace std::chrono_literals;

namespace {

constexpr std::uint16_t ssh = 22;

/// On the device, in place of the lab's own.
struct Service {
  Service(Bedside& bedside, std::uint16_t port, test::Conversation conversation, bool ipv6 = false) {
    bedside.stop_target();
    bedside.subject.settings().target = port;
    const InNetwork here(bedside.lab.device());
    server.emplace(std::move(conversation), test::Listener::tcp(port, ipv6));
  }
  std::optional<test::TargetServer> server;
};

}  // namespace

TEST_CASE("nobody listens at the target") {
  Bedside bedside;
  bedside.stop_target();
  const Seen seen = bedside.examine();
  check_answer(seen, "target_down", 10s);
  CHECK(seen.layers.at("target").hidden_by.empty());
  CHECK(seen.layers.at("target").measured.find("127.0.0.1:7007") != std::string::npos);
}

TEST_CASE("the target listens on the other family only") {
  Bedside bedside;
  const Service service(bedside, Site::target_port, test::greet_then_echo("hello\r\n"), true);
  const Seen seen = bedside.examine();
  check_answer(seen, "target_elsewhere", 10s);
  CHECK(seen.layers.at("target").next_step.find("[::1]:7007") != std::string::npos);
}

TEST_CASE("the target takes the connection and says nothing") {
  Bedside bedside;
  const Service service(bedside, ssh, [](test::Socket& socket) {
    while (!socket.receive().empty()) continue;
  });
  check_answer(bedside.examine(), "target_hangs", 10s);
}

TEST_CASE("a web server is what listens at SSH's port") {
  Bedside bedside;
  const Service service(bedside, ssh, [](test::Socket& socket) {
    socket.receive();
    socket.send("HTTP/1.1 400 Bad Request\r\n\r\n");
  });
  const Seen seen = bedside.examine();
  check_answer(seen, "target_unexpected", 10s);
  CHECK(seen.layers.at("target").measured.find("HTTP/1.1 400") != std::string::npos);
}

TEST_CASE("a web server at a port of its own may be silent") {
  Bedside bedside;
  const Service service(bedside, 80, [](test::Socket& socket) { socket.receive(); });
  check_answer(bedside.examine(), "", 10s);
}

TEST_CASE("there is no socket where the target is to be") {
  Bedside bedside;
  bedside.subject.settings().target_socket = "/run/nothing.sock";
  const Seen seen = bedside.examine();
  check_answer(seen, "target_down", 10s);
  CHECK(seen.layers.at("target").measured.find("No such file") != std::string::npos);
}
