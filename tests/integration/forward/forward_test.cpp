#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <future>
#include <system_error>
#include <thread>

#include "integration/forward/forwarding_session.hpp"
#include "support/pattern.hpp"
#include "support/skip.hpp"
#include "support/targets.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr std::size_t mebibyte = std::size_t{1024} * 1024;

Target tcp(std::uint16_t port, const char* host = "127.0.0.1") {
  return TcpTarget{host, port};
}

Socket client_of(const ForwardingSession& tunnel, std::size_t forward = 0) {
  return Socket::connect_tcp("127.0.0.1", tunnel.port(forward), 60s);
}

/// Sends Pattern{out} and reads Pattern{in} at the same time; whether what came was right, to its end.
bool exchange(Socket& socket, std::uint64_t out, std::uint64_t in, std::size_t count) {
  socket.set_timeout(120s);
  auto sent = std::async(std::launch::async, [&socket, out, count] {
    Pattern pattern(out);
    for (std::size_t done = 0; done < count; done += 65536) socket.send(pattern.next(65536));
    socket.finish_sending();
  });
  Pattern expected(in);
  std::size_t received = 0;
  bool right = true;
  for (std::string data = socket.receive(); !data.empty(); data = socket.receive()) {
    received += data.size();
    right = right && expected.matches(data);
  }
  sent.get();
  return right && received == count;
}

bool echoes(Socket& socket, const std::string& text) {
  socket.send(text);
  return socket.receive_exactly(text.size()) == text;
}

/// Sends Pattern{seed} until nobody takes any more, which is when a second passes without room; how many it was.
std::size_t fill(const Socket& socket, std::uint64_t seed, std::size_t limit) {
  Pattern pattern(seed);
  std::string piece;
  std::size_t total = 0;
  while (total < limit) {
    if (piece.empty()) piece = pattern.next(65536);
    pollfd entry{socket.fd(), POLLOUT, 0};
    if (::poll(&entry, 1, 1000) == 0) break;
    const ssize_t sent = ::send(socket.fd(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    REQUIRE(sent > 0);
    piece.erase(0, static_cast<std::size_t>(sent));
    total += static_cast<std::size_t>(sent);
  }
  return total;
}

/// A target that answers nobody: its queue is full, and the kernel drops what comes next.
class SilentTarget {
 public:
  SilentTarget() {
    REQUIRE(::listen(full_.fd(), 0) == 0);
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    ::getsockname(full_.fd(), reinterpret_cast<sockaddr*>(&address), &size);
    for (int& fd : fillers_) {
      fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      static_cast<void>(::connect(fd, reinterpret_cast<sockaddr*>(&address), size));
    }
  }
  ~SilentTarget() {
    for (const int fd : fillers_) ::close(fd);
  }
  SilentTarget(const SilentTarget&) = delete;
  SilentTarget& operator=(const SilentTarget&) = delete;

  Target target() const { return tcp(full_.port()); }

 private:
  Listener full_ = Listener::tcp();
  std::array<int, 4> fillers_{};
};

/// A target of which the test holds the other end itself.
struct HeldTarget {
  Listener listener = Listener::tcp();
  Target target() const { return tcp(listener.port()); }
};

bool ends_by_reset(Socket& socket) {
  try {
    while (!socket.receive().empty()) {
    }
    return false;
  } catch (const std::system_error& error) {
    return error.code() == std::errc::connection_reset;
  }
}

}  // namespace

TEST_CASE("a connection reaches its target and is counted") {
  Sshd relay;
  TargetServer target(echo());
  ForwardingSession tunnel(relay, {tcp(target.port())});
  Socket client = client_of(tunnel);
  CHECK(echoes(client, "hello"));
  CHECK(tunnel.counters().open == 1);
  client.close();
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
  CHECK(tunnel.counters().accepted == 1);
  CHECK(tunnel.counters().target_refused == 0);
  CHECK(wait_until([&] { return target.open() == 0; }));
}

TEST_CASE("targets by name, over IPv6 and on a Unix socket") {
  Sshd relay;
  TempDir dir;
  TargetServer v4(greet_then_echo("v4\n"));
  TargetServer local(greet_then_echo("unix\n"), Listener::unix_socket(dir / "socket"));
  std::vector<Target> targets{tcp(v4.port(), "localhost"), UnixTarget{dir / "socket"}};
  std::vector<std::string> greetings{"v4\n", "unix\n"};
  std::optional<TargetServer> v6;
  if (!skipped_without_ipv6()) {
    v6.emplace(greet_then_echo("v6\n"), Listener::tcp(0, true));
    targets.push_back(tcp(v6->port(), "::1"));
    greetings.push_back("v6\n");
  }
  ForwardingSession tunnel(relay, targets);
  for (std::size_t i = 0; i < greetings.size(); ++i) {
    Socket client = client_of(tunnel, i);
    CHECK(client.receive_until("\n") == greetings[i]);
    CHECK(echoes(client, "and back"));
    client.finish_sending();
    CHECK(client.receive_all().empty());
    CHECK(tunnel.counters(i).accepted == 1);
  }
}

TEST_CASE("64 MiB each way at once arrive as they were sent") {
  Sshd relay;
  std::promise<bool> at_target;
  TargetServer target([&](Socket& socket) { at_target.set_value(exchange(socket, 1, 2, 64 * mebibyte)); });
  ForwardingSession tunnel(relay, {tcp(target.port())});
  Socket client = client_of(tunnel);
  CHECK(exchange(client, 2, 1, 64 * mebibyte));
  CHECK(at_target.get_future().get());
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
}

TEST_CASE("a client that has finished sending still gets its answer") {
  Sshd relay;
  TargetServer target(sink());
  ForwardingSession tunnel(relay, {tcp(target.port())});
  Socket client = client_of(tunnel);
  client.send(Pattern(1).next(3'000'000));
  client.finish_sending();
  CHECK(client.receive_all() == "3000000");
}

TEST_CASE("a target that has finished sending still gets the rest") {
  Sshd relay;
  HeldTarget held;
  ForwardingSession tunnel(relay, {held.target()});
  Socket client = client_of(tunnel);
  Socket target = held.listener.accept();
  target.send("that was all");
  target.finish_sending();
  CHECK(client.receive_all() == "that was all");
  const std::string rest = Pattern(1).next(3'000'000);
  auto sent = std::async(std::launch::async, [&] {
    client.send(rest);
    client.finish_sending();
  });
  CHECK(target.receive_all() == rest);
  sent.get();
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
}

TEST_CASE("a target that resets ends the client's connection at once") {
  Sshd relay;
  HeldTarget held;
  ForwardingSession tunnel(relay, {held.target()});
  Socket client = client_of(tunnel);
  Socket target = held.listener.accept();
  target.reset();
  CHECK(client.closed_by_peer());
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
}

TEST_CASE("a target that resets is noticed while the client takes nothing") {
  Sshd relay;
  HeldTarget held;
  ForwardingSession tunnel(relay, {held.target()});
  const Socket client = client_of(tunnel);
  Socket target = held.listener.accept();
  CHECK(fill(target, 1, 64 * mebibyte) < 64 * mebibyte);
  target.reset();
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
}

TEST_CASE("a client that resets ends the target's connection") {
  Sshd relay;
  HeldTarget held;
  ForwardingSession tunnel(relay, {held.target()});
  Socket client = client_of(tunnel);
  Socket target = held.listener.accept();
  client.send("x");
  CHECK(target.receive() == "x");
  client.reset();
  CHECK(target.closed_by_peer());
  // SSH has no reset: the relay learns of it by the first byte that it can't deliver.
  target.send("into the void");
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
}

TEST_CASE("a target that refuses closes the client's connection at once, is counted, and told once") {
  Sshd relay;
  TempDir dir;
  const RefusingPort refusing;
  ForwardingSession tunnel(relay,
                           {tcp(refusing.port()), UnixTarget{dir / "nobody"}, UnixTarget{std::string(200, 'x')}});
  for (int i = 0; i < 3; ++i) {
    Socket client = client_of(tunnel);
    CHECK(client.closed_by_peer());
  }
  CHECK(client_of(tunnel, 1).closed_by_peer());
  CHECK(client_of(tunnel, 2).closed_by_peer());
  REQUIRE(wait_until([&] { return tunnel.log().size() == 3; }));
  CHECK(tunnel.counters(0).target_refused == 3);
  CHECK(tunnel.counters(0).accepted == 0);
  CHECK(tunnel.counters(0).open == 0);
  CHECK(tunnel.counters(1).target_refused == 1);
  CHECK(tunnel.log()[0].find("connect to 127.0.0.1:" + std::to_string(refusing.port())) != std::string::npos);
  CHECK(tunnel.log()[0].find("from 127.0.0.1:") != std::string::npos);
  CHECK(tunnel.log()[1].find(dir / "nobody") != std::string::npos);
}

TEST_CASE("a target that does not answer is refused at the deadline") {
  Sshd relay;
  const SilentTarget silent;
  ForwardingSession tunnel(relay, {silent.target()}, [](TunnelSpec& spec) { spec.connect_timeout = 1s; });
  Socket client = client_of(tunnel);
  CHECK(client.closed_by_peer());
  CHECK(tunnel.counters().target_refused == 1);
  REQUIRE(tunnel.log().size() == 1);
  CHECK(tunnel.log()[0].find("no answer within 1 s") != std::string::npos);
}

TEST_CASE("a target that does not read holds up its own client only, with bounded buffers") {
  Sshd relay;
  HeldTarget held;
  TargetServer other(echo());
  ForwardingSession tunnel(relay, {held.target(), tcp(other.port())});
  Socket client = client_of(tunnel);
  Socket target = held.listener.accept();
  const std::size_t taken = fill(client, 1, 64 * mebibyte);
  // The kernels' buffers on three connections, the relay's and two windows.
  CHECK(taken < 32 * mebibyte);
  Socket second = client_of(tunnel, 1);
  CHECK(echoes(second, Pattern(2).next(mebibyte)));
  client.finish_sending();
  CHECK(target.receive_all() == Pattern(1).next(taken));
}

TEST_CASE("a client that does not read holds up its own target only, with bounded buffers") {
  Sshd relay;
  HeldTarget held;
  TargetServer other(echo());
  ForwardingSession tunnel(relay, {held.target(), tcp(other.port())});
  Socket client = client_of(tunnel);
  Socket target = held.listener.accept();
  const std::size_t taken = fill(target, 1, 64 * mebibyte);
  CHECK(taken < 32 * mebibyte);
  Socket second = client_of(tunnel, 1);
  CHECK(echoes(second, Pattern(2).next(mebibyte)));
  target.finish_sending();
  CHECK(client.receive_all() == Pattern(1).next(taken));
}

TEST_CASE("200 connections at once each get their own bytes back") {
  Sshd relay;
  TargetServer target(echo());
  ForwardingSession tunnel(relay, {tcp(target.port())});
  constexpr std::size_t count = 200;
  std::vector<Socket> clients;
  for (std::size_t i = 0; i < count; ++i) clients.push_back(client_of(tunnel));
  for (std::size_t i = 0; i < count; ++i) clients[i].send(Pattern(i).next(16384));
  CHECK(wait_until([&] { return tunnel.counters().open == count; }));
  std::size_t right = 0;
  for (std::size_t i = 0; i < count; ++i)
    right += clients[i].receive_exactly(16384) == Pattern(i).next(16384) ? 1U : 0U;
  CHECK(right == count);
  clients.clear();
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
  CHECK(tunnel.counters().accepted == count);
}

TEST_CASE("more connections than allowed are refused, and told") {
  Sshd relay;
  TargetServer target(echo());
  ForwardingSession tunnel(relay, {tcp(target.port())}, [](TunnelSpec& spec) { spec.max_connections = 2; });
  Socket first = client_of(tunnel);
  Socket second = client_of(tunnel);
  CHECK(echoes(first, "1"));
  CHECK(echoes(second, "2"));
  Socket third = client_of(tunnel);
  CHECK(third.closed_by_peer());
  REQUIRE(wait_until([&] { return tunnel.log().size() == 1; }));
  CHECK(tunnel.log()[0].find("2 connections are open already, max_connections") != std::string::npos);
  first.close();
  CHECK(wait_until([&] {
    Socket fourth = client_of(tunnel);
    return !fourth.closed_by_peer(200ms) && echoes(fourth, "4");
  }));
}

TEST_CASE("a drain lets open connections finish, refuses new ones, and answers once") {
  Sshd relay;
  TargetServer target(echo());
  ForwardingSession tunnel(relay, {tcp(target.port())});
  std::atomic<int> drained = 0;
  Socket client = client_of(tunnel);
  CHECK(echoes(client, "before"));
  tunnel.on_loop([&] { tunnel.connections().drain([&] { ++drained; }); });
  Socket late = client_of(tunnel);
  CHECK(late.closed_by_peer());
  CHECK(echoes(client, "still here"));
  CHECK(drained == 0);
  client.close();
  CHECK(wait_until([&] { return drained == 1; }));
}

TEST_CASE("a drain refuses at once those whose target has not answered") {
  Sshd relay;
  const SilentTarget silent;
  ForwardingSession tunnel(relay, {silent.target()});
  std::atomic<bool> drained = false;
  Socket client = client_of(tunnel);
  REQUIRE(wait_until([&] { return tunnel.counters().open == 1; }));
  tunnel.on_loop([&] { tunnel.connections().drain([&] { drained = true; }); });
  CHECK(client.closed_by_peer());
  CHECK(wait_until([&] { return drained.load(); }));
  CHECK(tunnel.counters().open == 0);
  // Not by the deadline of the connect.
  CHECK(tunnel.counters().target_refused == 0);
}

TEST_CASE("a drain of nothing answers at once, but not from inside") {
  Sshd relay;
  ForwardingSession tunnel(relay, {tcp(1)});
  std::atomic<bool> drained = false;
  CHECK_FALSE(tunnel.on_loop([&] {
    tunnel.connections().drain([&] { drained = true; });
    return drained.load();
  }));
  CHECK(wait_until([&] { return drained.load(); }));
}

TEST_CASE("dropping all resets each connection, ends a drain without an answer, and opens again") {
  Sshd relay;
  HeldTarget held;
  ForwardingSession tunnel(relay, {held.target()});
  std::atomic<bool> drained = false;
  Socket client = client_of(tunnel);
  Socket target = held.listener.accept();
  client.send("x");
  CHECK(target.receive() == "x");
  tunnel.on_loop([&] {
    tunnel.connections().drain([&] { drained = true; });
    tunnel.connections().drop_all();
  });
  CHECK(ends_by_reset(target));
  CHECK(client.closed_by_peer());
  CHECK(tunnel.counters().open == 0);
  Socket again = client_of(tunnel);
  Socket again_target = held.listener.accept();
  again.send("x");
  CHECK(again_target.receive() == "x");
  CHECK_FALSE(drained);
}

TEST_CASE("a lost session delivers what had come and then resets, so that nobody takes it for the end") {
  Sshd relay;
  HeldTarget held;
  ForwardingSession tunnel(relay, {held.target()});
  Socket client = client_of(tunnel);
  Socket target = held.listener.accept();
  fill(client, 1, 64 * mebibyte);
  relay.kill_sessions();
  REQUIRE(wait_until([&] { return tunnel.session_failed(); }));
  Pattern pattern(1);
  std::size_t received = 0;
  bool right = true;
  CHECK_THROWS_AS(
      {
        for (std::string data = target.receive(); !data.empty(); data = target.receive()) {
          right = right && pattern.matches(data);
          received += data.size();
        }
      },
      std::system_error);
  CHECK(right);
  CHECK(received > 0);
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
}

TEST_CASE("a target that takes nothing is not waited for without end once the relay's end is gone") {
  Sshd relay;
  HeldTarget held;
  ForwardingSession tunnel(relay, {held.target()}, [](TunnelSpec&) {}, {.longest_stall = 500ms});
  const Socket client = client_of(tunnel);
  Socket target = held.listener.accept();
  fill(client, 1, 64 * mebibyte);
  relay.kill_sessions();
  REQUIRE(wait_until([&] { return tunnel.session_failed(); }));
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
  CHECK(ends_by_reset(target));
}

TEST_CASE("what is still connecting when its session ends leaves nothing behind") {
  Sshd relay;
  HeldTarget held;
  ForwardingSession tunnel(relay, {held.target()});
  std::vector<Socket> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(client_of(tunnel));
  relay.kill_sessions();
  REQUIRE(wait_until([&] { return tunnel.session_failed(); }));
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
}
