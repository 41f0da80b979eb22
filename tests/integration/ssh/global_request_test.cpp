// Forwards, their cancellation and keepalives share one slot in libssh.
#include <doctest/doctest.h>

#include <future>

#include "client.hpp"
#include "support/dropbear.hpp"
#include "support/net.hpp"
#include "support/skip.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

RemoteForward forward_to(std::uint16_t port, std::string bind_address = "localhost") {
  return {std::move(bind_address), port, TcpTarget{"localhost", 22}};
}

std::size_t occurrences(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

struct Held {
  explicit Held(std::vector<RemoteForward> forwards, std::vector<std::string> config = {}, bool ipv6 = false)
      : sshd({.config = std::move(config), .ipv6 = ipv6}), client(Client::spec_for(sshd, dir)) {
    client.spec.remote_forward = std::move(forwards);
    REQUIRE(client.log_in());
  }
  TempDir dir;
  Sshd sshd;
  Client client;
};

}  // namespace

TEST_CASE("the relay chooses a port, and connections to it come through") {
  Held held{{forward_to(0), forward_to(0)}};
  const std::uint16_t first = held.client.listen(0);
  const std::uint16_t second = held.client.listen(1);
  REQUIRE(first != 0);
  REQUIRE(second != 0);
  CHECK(first != second);
  CHECK(is_listening(first));
  const Socket visitor = Socket::connect_tcp("127.0.0.1", second);
  REQUIRE(held.client.run_until([&] { return held.client.peers.size() == 1; }));
  CHECK(held.client.peers.front().forward() == 1);
}

TEST_CASE("forwards of one port on different addresses are told apart") {
  if (skipped_without_ipv6()) return;
  const std::uint16_t port = free_port();
  Held held{{forward_to(port, "127.0.0.1"), forward_to(port, "::1")}, {"GatewayPorts clientspecified"}, true};
  REQUIRE(held.client.listen(0) == port);
  REQUIRE(held.client.listen(1) == port);
  const Socket six = Socket::connect_tcp("::1", port);
  REQUIRE(held.client.run_until([&] { return held.client.peers.size() == 1; }));
  CHECK(held.client.peers.front().forward() == 1);
  const Socket four = Socket::connect_tcp("127.0.0.1", port);
  REQUIRE(held.client.run_until([&] { return held.client.peers.size() == 2; }));
  CHECK(held.client.peers.back().forward() == 0);
}

TEST_CASE("a port that another process holds is refused, and can be asked for again") {
  const std::uint16_t port = free_port();
  auto other = std::make_optional(Listener::tcp(port));   // first: the session asks as soon as it may
  Held held{{forward_to(port)}, {"AddressFamily inet"}};  // else ::1 alone would do
  CHECK(held.client.listen(0) == 0);
  CHECK(held.client.answered.size() == 1);
  other.reset();
  CHECK(held.client.listen(0) == port);
}

TEST_CASE("a cancelled listener is gone and its visitors stay") {
  const std::uint16_t port = free_port();
  Held held{{forward_to(port)}};
  REQUIRE(held.client.listen(0) == port);
  Socket visitor = Socket::connect_tcp("127.0.0.1", port);
  REQUIRE(held.client.run_until([&] { return held.client.peers.size() == 1; }));
  held.client.session->cancel_forward(0);
  REQUIRE(held.client.run_until([&] { return held.client.cancelled.size() == 1; }));
  CHECK_FALSE(is_listening(port));
  visitor.send("still here");
  CHECK(held.client.run_until([&] { return held.client.peers.front().received == "still here"; }));
  CHECK(held.client.listen(0) == port);
}

TEST_CASE("cancelling what was never held is answered too") {
  Held held{{forward_to(free_port())}};
  held.client.session->cancel_forward(0);
  CHECK(held.client.run_until([&] { return held.client.cancelled.size() == 1; }));
}

TEST_CASE("each keepalive is sent, and its round trip told") {
  Held held{{}, {"LogLevel DEBUG3"}};
  for (std::size_t count = 1; count <= 5; ++count) {
    held.client.session->send_keepalive();
    REQUIRE(held.client.run_until([&] { return held.client.round_trips.size() == count; }));
    CHECK(held.client.round_trips.back() > Duration::zero());
  }
  REQUIRE(wait_until([&] { return occurrences(held.sshd.log(), "rtype keepalive@openssh.com") == 5; }));
}

TEST_CASE("forwards asked for beside keepalives get their own answers") {
  const std::uint16_t one = free_port();
  const std::uint16_t two = free_port();
  Held held{{forward_to(one), forward_to(two)}};
  Client& client = held.client;
  client.session->send_keepalive();
  client.session->request_forward(0);
  client.session->send_keepalive();
  client.session->request_forward(1);
  client.session->cancel_forward(0);
  client.session->send_keepalive();
  REQUIRE(client.run_until([&] { return client.cancelled.size() == 1 && client.answered.size() == 2; }));
  CHECK(client.bound == std::vector<std::optional<std::uint16_t>>{one, two});
  CHECK_FALSE(is_listening(one));
  CHECK(is_listening(two));
}

TEST_CASE("a listen asked for while a keepalive is unanswered waits for its turn") {
  const TempDir dir;
  const Sshd sshd;
  TcpProxy proxy{sshd.port()};
  TunnelSpec spec = Client::spec_for(sshd, dir);
  spec.port = proxy.port();
  spec.strict_host_key_checking = StrictHostKeyChecking::accept_new;
  const std::uint16_t port = free_port();
  spec.remote_forward = {forward_to(free_port()), forward_to(port)};
  Client client{spec};
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) != 0);
  client.answered.clear();
  proxy.freeze();
  client.session->send_keepalive();
  client.run_for(std::chrono::milliseconds{50});
  const auto sent = client.session->traffic().bytes_sent;
  client.session->send_keepalive();  // one is outstanding: this one asks for no answer
  REQUIRE(client.run_until([&] { return client.session->traffic().bytes_sent > sent; }));
  const auto probed = client.session->traffic().bytes_sent;
  client.session->request_forward(1);
  client.run_for(std::chrono::milliseconds{50});
  CHECK(client.session->traffic().bytes_sent == probed);
  CHECK(client.round_trips.empty());
  proxy.thaw();
  REQUIRE(client.run_until([&] { return !client.answered.empty(); }));
  CHECK(client.bound[1] == port);
  CHECK(client.round_trips.size() == 1);
}

TEST_CASE("a Dropbear relay holds a forward and answers keepalives") {
  const TempDir dir;
  const Dropbear relay;
  TunnelSpec spec;
  spec.host_name = relay.host();
  spec.port = relay.port();
  spec.user = relay.user();
  spec.identity_file = {client_key()};
  spec.user_known_hosts_file = dir / "known_hosts";
  const std::uint16_t port = free_port();
  spec.remote_forward = {forward_to(port)};
  Client client{spec};
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) == port);
  Socket visitor = Socket::connect_tcp("127.0.0.1", port);
  visitor.send("hello");
  CHECK(client.run_until([&] { return !client.peers.empty() && client.peers.front().received == "hello"; }));
  client.session->send_keepalive();
  CHECK(client.run_until([&] { return client.round_trips.size() == 1; }));
  client.session->cancel_forward(0);
  REQUIRE(client.run_until([&] { return client.cancelled.size() == 1; }));
  // Dropbear does not know its own listener by the name that it was asked for, and keeps it: nobody gets in there.
  if (is_listening(port)) {
    Socket late = Socket::connect_tcp("127.0.0.1", port);
    auto closed = std::async(std::launch::async, [&] { return late.closed_by_peer(); });
    CHECK(client.run_until([&] { return closed.wait_for(0ms) == std::future_status::ready; }));
    CHECK(closed.get());
    CHECK(client.peers.size() == 1);
    CHECK(client.unwanted.empty());
  }
}
