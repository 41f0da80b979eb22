#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <list>

#include "integration/forward/forwarding_session.hpp"
#include "support/pattern.hpp"
#include "support/targets.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr std::size_t mebibyte = std::size_t{1024} * 1024;

Target tcp(std::uint16_t port) {
  return TcpTarget{"127.0.0.1", port};
}

Socket client_of(const ForwardingSession& tunnel, std::size_t forward = 0) {
  return Socket::connect_tcp("127.0.0.1", tunnel.port(forward), 60s);
}

/// A transfer through an echo, back as it was sent.
bool comes_back(Socket client, std::uint64_t seed, std::size_t count) {
  client.set_timeout(120s);
  auto sent = std::async(std::launch::async, [&client, seed, count] {
    Pattern pattern(seed);
    for (std::size_t done = 0; done < count; done += 65536) client.send(pattern.next(65536));
    client.finish_sending();
  });
  Pattern expected(seed);
  std::size_t received = 0;
  bool right = true;
  for (std::string data = client.receive(); !data.empty(); data = client.receive()) {
    received += data.size();
    right = right && expected.matches(data);
  }
  sent.get();
  return right && received == count;
}

/// Sends on all until none takes any more for a second, or is closed.
void fill_all(const std::vector<Socket>& sockets) {
  const std::string piece = Pattern(7).next(65536);
  std::vector<pollfd> entries;
  entries.reserve(sockets.size());
  for (const Socket& socket : sockets) entries.push_back({socket.fd(), POLLOUT, 0});
  while (::poll(entries.data(), entries.size(), 1000) > 0) {
    for (pollfd& entry : entries) {
      if (entry.revents == 0) continue;
      if (::send(entry.fd, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
        entry.fd = -1;
    }
  }
}

}  // namespace

TEST_CASE("readers that take nothing are reset when they hold more than max_buffer, and the others go on") {
  Sshd relay;
  Listener nobody_reads = Listener::tcp();
  TargetServer echoing(echo());
  ForwardingSession tunnel(relay, {tcp(nobody_reads.port()), tcp(echoing.port())},
                           [](TunnelSpec& spec) { spec.max_buffer = 8 * mebibyte; });
  constexpr std::size_t count = 20;
  std::vector<Socket> clients;
  std::vector<Socket> targets;
  for (std::size_t i = 0; i < count; ++i) {
    clients.push_back(client_of(tunnel));
    targets.push_back(nobody_reads.accept());
  }
  auto beside = std::async(std::launch::async, [&] { return comes_back(client_of(tunnel, 1), 1, 16 * mebibyte); });
  fill_all(clients);
  CHECK(beside.get());
  REQUIRE(wait_until([&] { return !tunnel.log().empty(); }));
  CHECK(tunnel.log()[0].find("max_buffer") != std::string::npos);
  // What still stands holds less than 8 MiB, and each that stalls holds half of libssh's window at least.
  const std::size_t left = tunnel.counters().open;
  CHECK(left <= 8 * mebibyte / 640'000);
  CHECK(left >= 2);
  CHECK(comes_back(client_of(tunnel, 1), 2, 4 * mebibyte));
  CHECK_FALSE(tunnel.session_failed());
}

TEST_CASE("a slow reader gets all, late, and nobody waits for it") {
  Sshd relay;
  Listener slow = Listener::tcp();
  TargetServer echoing(echo());
  ForwardingSession tunnel(relay, {tcp(slow.port()), tcp(echoing.port())});
  Socket client = client_of(tunnel);
  Socket target = slow.accept();
  constexpr std::size_t size = 24 * mebibyte;
  auto sent = std::async(std::launch::async, [&] {
    client.set_timeout(120s);
    client.send(Pattern(1).next(size));
    client.finish_sending();
  });
  Pattern expected(1);
  bool right = expected.matches(target.receive_exactly(1000));
  // While it has read almost nothing, others have done all they wanted.
  for (std::uint64_t i = 0; i < 4; ++i) CHECK(comes_back(client_of(tunnel, 1), i, 2 * mebibyte));
  CHECK(sent.wait_for(0s) != std::future_status::ready);
  for (std::size_t got = 1000; got < size;) {
    const std::string data = target.receive();
    if (data.empty()) break;
    right = right && expected.matches(data);
    got += data.size();
  }
  CHECK(right);
  sent.get();
  CHECK(target.receive().empty());
}

TEST_CASE("a visitor that stops reading holds up nobody who has a word to say at that moment") {
  const Sshd relay;
  const TargetServer flood(source(3, 4 * mebibyte));
  const TargetServer talk(echo());
  const ForwardingSession tunnel(relay, {tcp(flood.port()), tcp(talk.port())});
  Socket shell = client_of(tunnel, 1);
  std::vector<Socket> stalled;
  const std::string word = "word";
  // Each closes its window while the session is full, sooner or later with the shell's word right behind it.
  for (int round = 0; round < 40; ++round) {
    stalled.push_back(client_of(tunnel));
    for (int i = 0; i < 100; ++i) {
      shell.send(word);
      REQUIRE(shell.receive_exactly(word.size()) == word);
    }
  }
  CHECK(stalled.front().receive_all() == Pattern(3).next(4 * mebibyte));
}

TEST_CASE("readers that reset in the middle take nobody with them") {
  Sshd relay;
  Listener resetting = Listener::tcp();
  TargetServer echoing(echo());
  ForwardingSession tunnel(relay, {tcp(resetting.port()), tcp(echoing.port())});
  auto beside = std::async(std::launch::async, [&] { return comes_back(client_of(tunnel, 1), 1, 32 * mebibyte); });
  for (int i = 0; i < 20; ++i) {
    std::vector<Socket> clients;
    clients.push_back(client_of(tunnel));
    Socket target = resetting.accept();
    fill_all(clients);
    target.receive();
    target.reset();
    CHECK(clients[0].closed_by_peer());
    if (beside.wait_for(0s) == std::future_status::ready && i > 2) break;
  }
  CHECK(beside.get());
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
  CHECK_FALSE(tunnel.session_failed());
}

TEST_CASE("a flood of openings leaves a transfer as it is") {
  Sshd relay;
  TargetServer echoing(echo());
  ForwardingSession tunnel(relay, {tcp(echoing.port())}, [](TunnelSpec& spec) { spec.max_connections = 50; });
  Socket first = client_of(tunnel);  // before the flood, so that it is none of those that are refused
  first.send("x");
  REQUIRE(first.receive() == "x");
  auto beside = std::async(std::launch::async, [&first] { return comes_back(std::move(first), 1, 16 * mebibyte); });
  std::list<Socket> flood;
  for (int i = 0; i < 1000; ++i) {
    flood.push_back(client_of(tunnel));
    if (flood.size() > 100) flood.pop_front();
  }
  flood.clear();
  CHECK(beside.get());
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }));
  CHECK_FALSE(tunnel.session_failed());
}
