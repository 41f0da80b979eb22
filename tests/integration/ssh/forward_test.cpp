// Forwards, and the data of their channels.
#include <doctest/doctest.h>
#include <fcntl.h>

#include <future>

#include "client.hpp"
#include "support/net.hpp"
#include "support/pattern.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

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

/// A session that holds one forward.
struct HeldForward {
  explicit HeldForward(std::vector<std::string> config = {}, RekeyLimit rekey = {}, bool through_proxy = false)
      : sshd({.config = std::move(config)}), proxy(sshd.port()), client(Client::spec_for(sshd, dir)) {
    client.spec.remote_forward = {forward_to(port)};
    client.spec.rekey_limit = rekey;
    if (through_proxy) {
      client.spec.port = proxy.port();
      client.spec.strict_host_key_checking = StrictHostKeyChecking::no;
    }
    REQUIRE(client.log_in());
    REQUIRE(client.listen(0) == port);
  }
  Peer& accept(std::size_t count = 1) {
    REQUIRE(client.run_until([&] { return client.peers.size() == count; }));
    return client.peers.back();
  }

  TempDir dir;
  Sshd sshd;
  TcpProxy proxy;
  Client client;
  std::uint16_t port = free_port();
};

}  // namespace

TEST_CASE("a forward is held, a connection through it carries data both ways and ends") {
  const TempDir dir;
  const Sshd sshd;
  TunnelSpec spec = Client::spec_for(sshd, dir);
  const std::uint16_t port = free_port();
  spec.remote_forward = {forward_to(port)};
  Client client{spec};
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) == port);

  Socket visitor = Socket::connect_tcp("127.0.0.1", port);
  visitor.send("hello");
  REQUIRE(client.run_until([&] { return !client.peers.empty() && client.peers.front().received == "hello"; }));
  Peer& peer = client.peers.front();
  peer.send("world");
  REQUIRE(client.run_until([&] { return peer.sent_all(); }));
  CHECK(visitor.receive_exactly(5) == "world");

  visitor.finish_sending();
  REQUIRE(client.run_until([&] { return peer.channel().at_eof(); }));
  CHECK(peer.channel().is_open());
  peer.send("bye");
  peer.let_go();
  client.run_for(std::chrono::milliseconds{50});
  CHECK(visitor.receive_all() == "bye");
}

TEST_CASE("a refused open closes the visitor's connection at once") {
  HeldForward tunnel;
  tunnel.client.refuse_requests = true;
  Socket visitor = Socket::connect_tcp("127.0.0.1", tunnel.port);
  auto closed = std::async(std::launch::async, [&] { return visitor.closed_by_peer(); });
  CHECK(tunnel.client.run_until([&] { return closed.wait_for(0ms) == std::future_status::ready; }));
  CHECK(closed.get());
}

TEST_CASE("an open may be answered later, and a dropped one is refused") {
  HeldForward tunnel;
  tunnel.client.hold_requests = true;
  Socket first = Socket::connect_tcp("127.0.0.1", tunnel.port);
  Socket second = Socket::connect_tcp("127.0.0.1", tunnel.port);
  REQUIRE(tunnel.client.run_until([&] { return tunnel.client.requests.size() == 2; }));
  auto channel = tunnel.client.requests[0].accept();
  REQUIRE(channel);
  Peer& peer = tunnel.client.peers.emplace_back(std::move(*channel), 0);
  peer.send("late");
  tunnel.client.requests.clear();
  auto ended =
      std::async(std::launch::async, [&] { return first.receive_exactly(4) + (second.closed_by_peer() ? "!" : "?"); });
  CHECK(tunnel.client.run_until([&] { return ended.wait_for(0ms) == std::future_status::ready; }));
  CHECK(ended.get() == "late!");
}

TEST_CASE("bulk both ways survives constant re-keying from both sides, byte for byte") {
  HeldForward tunnel{{"RekeyLimit 1M"}, {1'500'000, {}}};
  constexpr std::size_t size = 24'000'000;
  Socket visitor = Socket::connect_tcp("127.0.0.1", tunnel.port, 60s);
  Peer& peer = tunnel.accept();
  auto uploaded = std::async(std::launch::async, [&] {
    visitor.send(Pattern(1).next(size));
    visitor.finish_sending();
  });
  Socket reader{::dup(visitor.fd()), 60s};
  auto downloaded = std::async(std::launch::async, [&] { return reader.receive_all(); });
  peer.finish_when_sent = true;
  peer.send(Pattern(2).next(size));
  REQUIRE(tunnel.client.run_until(
      [&] { return downloaded.wait_for(0ms) == std::future_status::ready && peer.channel().at_eof(); }, 90s));
  uploaded.get();
  // In parentheses: a failure prints no 24 MB.
  CHECK((downloaded.get() == Pattern(2).next(size)));
  CHECK((peer.received == Pattern(1).next(size)));
  CHECK_FALSE(tunnel.client.ended());
}

TEST_CASE("a relay that stops reading blocks no call, and no descriptor is in blocking mode") {
  HeldForward tunnel;
  const Socket visitor = Socket::connect_tcp("127.0.0.1", tunnel.port);
  Peer& peer = tunnel.accept();
  const auto descriptors = descriptors_to(tunnel.sshd.port());
  CHECK(descriptors.size() == 2);
  for (const int descriptor : descriptors) CHECK((::fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
  tunnel.sshd.freeze();
  tunnel.client.longest_turn = {};
  peer.send(std::string(16'000'000, 'x'));
  REQUIRE(tunnel.client.run_until([&] { return peer.channel().writable() == 0; }));
  tunnel.client.session->send_keepalive();
  tunnel.client.run_for(300ms);
  CHECK_FALSE(peer.sent_all());
  CHECK(tunnel.client.longest_turn < 500ms);
  CHECK_FALSE(tunnel.client.ended());
  tunnel.sshd.thaw();
}

TEST_CASE("a visitor that stops reading shuts its own channel only") {
  HeldForward tunnel;
  Socket slow = Socket::connect_tcp("127.0.0.1", tunnel.port);
  Peer& stuck = tunnel.accept();
  Socket other = Socket::connect_tcp("127.0.0.1", tunnel.port);
  Peer& free = tunnel.accept(2);
  stuck.send(std::string(32'000'000, 'x'));
  tunnel.client.run_for(200ms);
  CHECK_FALSE(stuck.sent_all());
  free.send("quick");
  REQUIRE(tunnel.client.run_until([&] { return free.sent_all(); }));
  CHECK(other.receive_exactly(5) == "quick");
}

TEST_CASE("every channel that is let go is closed at the relay too, with output pending") {
  HeldForward tunnel{{"LogLevel DEBUG1"}};
  constexpr std::size_t count = 200;
  std::vector<Socket> visitors;
  for (std::size_t i = 0; i < count; ++i) {
    visitors.push_back(Socket::connect_tcp("127.0.0.1", tunnel.port));
    // sshd's backlog is short.
    if (i % 50 == 49) REQUIRE(tunnel.client.run_until([&] { return tunnel.client.peers.size() == i + 1; }));
  }
  for (auto& peer : tunnel.client.peers) {
    peer.let_go_when_sent = true;
    peer.send(std::string(5000, 'x'));
  }
  auto received = std::async(std::launch::async, [&] {
    std::size_t total = 0;
    for (auto& visitor : visitors) total += visitor.receive_all().size();
    visitors.clear();
    return total;
  });
  REQUIRE(tunnel.client.run_until([&] { return received.wait_for(0ms) == std::future_status::ready; }, 30s));
  CHECK(received.get() == count * 5000);
  CHECK(tunnel.client.run_until([&] { return occurrences(tunnel.sshd.log(), ": free: forwarded-tcpip: ") >= count; }));
  // And here: a fresh connection still gets through, so none of them counts any more.
  tunnel.client.spec.max_connections = 1;
  const Socket again = Socket::connect_tcp("127.0.0.1", tunnel.port);
  CHECK(tunnel.client.run_until([&] { return tunnel.client.peers.size() == count + 1; }));
}

TEST_CASE("a channel that the visitor ended is told, with all of its data first") {
  HeldForward tunnel;
  {
    Socket visitor = Socket::connect_tcp("127.0.0.1", tunnel.port);
    visitor.send("last words");
  }
  Peer& peer = tunnel.accept();
  REQUIRE(tunnel.client.run_until([&] { return peer.channel().at_eof(); }));
  CHECK(peer.received == "last words");
  peer.channel().send_eof();
  REQUIRE(tunnel.client.run_until([&] { return !peer.channel().is_open(); }));
  CHECK(peer.channel().writable() == 0);
}

TEST_CASE("a dead session is told to its channels, which stay safe to use") {
  HeldForward tunnel;
  const Socket visitor = Socket::connect_tcp("127.0.0.1", tunnel.port);
  Peer& peer = tunnel.accept();
  tunnel.sshd.kill_sessions();
  const Failure failure = tunnel.client.wait_for_failure();
  CHECK(failure.cause == Cause::connection_lost);
  const auto calls = peer.ready_calls;
  REQUIRE(tunnel.client.run_until([&] { return peer.ready_calls > calls || !peer.channel().is_open(); }));
  CHECK_FALSE(peer.channel().is_open());
  CHECK(peer.channel().writable() == 0);
  peer.send("nobody reads this");
  peer.channel().send_eof();
  CHECK(peer.channel().take_buffered().empty());
  CHECK_FALSE(peer.sent_all());
}

TEST_CASE("a dropped session tells its channels from the loop") {
  HeldForward tunnel;
  const Socket visitor = Socket::connect_tcp("127.0.0.1", tunnel.port);
  Peer& peer = tunnel.accept();
  const auto calls = peer.ready_calls;
  tunnel.client.session.reset();
  CHECK(peer.ready_calls == calls);
  CHECK(tunnel.client.run_until([&] { return peer.ready_calls > calls; }));
  CHECK_FALSE(peer.channel().is_open());
  CHECK(descriptors_to(tunnel.sshd.port()).empty());
}

TEST_CASE("close() writes what is pending and closes the channels before it leaves") {
  HeldForward tunnel{{"LogLevel DEBUG1"}};
  Socket visitor = Socket::connect_tcp("127.0.0.1", tunnel.port);
  Peer& peer = tunnel.accept();
  peer.send(std::string(300'000, 'x'));
  REQUIRE(tunnel.client.run_until([&] { return peer.sent_all(); }));
  auto received = std::async(std::launch::async, [&] { return visitor.receive_all().size(); });
  tunnel.client.session->close();
  REQUIRE(tunnel.client.run_until([&] { return tunnel.client.ended(); }));
  CHECK(tunnel.client.closed);
  CHECK(received.get() == 300'000);
  CHECK(wait_until([&] { return tunnel.sshd.log_has("Received disconnect from"); }));
  CHECK_FALSE(is_listening(tunnel.port));
  CHECK_FALSE(peer.channel().is_open());
}

TEST_CASE("close() over a dead link waits for its owner, who may drop it") {
  HeldForward tunnel{{}, {}, true};
  tunnel.proxy.freeze();
  tunnel.client.session->close();
  tunnel.client.run_for(200ms);
  CHECK_FALSE(tunnel.client.ended());
  tunnel.client.session.reset();
  CHECK(descriptors_to(tunnel.proxy.port()).empty());
}
