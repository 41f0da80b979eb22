// A proof's own connection among the visitors'. The test's client sends the mark, as our own end would.
#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <string_view>

#include "integration/forward/forwarding_session.hpp"
#include "support/targets.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr std::string_view mark_text = "\x01\x02proof!";

struct WatchedProof {
  std::atomic<int> accepted = 0;
  std::atomic<int> returned = 0;
  std::atomic<int> target_failed = 0;

  explicit WatchedProof(ForwardingSession& tunnel) {
    forward::ProofMark mark{};
    for (std::size_t i = 0; i < mark.size(); ++i) mark[i] = static_cast<std::byte>(mark_text.at(i));
    tunnel.on_loop([&] {
      tunnel.connections().expect_proof(
          0, mark, {[this] { ++accepted; }, [this] { ++returned; }, [this](const Failure&) { ++target_failed; }});
      return 0;
    });
  }
};

void end_proof(ForwardingSession& tunnel) {
  tunnel.on_loop([&] {
    tunnel.connections().end_proof();
    return 0;
  });
}

Socket client_of(const ForwardingSession& tunnel) {
  return Socket::connect_tcp("127.0.0.1", tunnel.port());
}

TcpTarget at(const TargetServer& server) {
  return {"127.0.0.1", server.port()};
}

}  // namespace

TEST_CASE("the connection with the mark is ours: not counted, never shown to the target, and closed with the proof") {
  const Sshd relay;
  std::string heard = "nothing yet";
  std::atomic<bool> ended = false;
  const TargetServer target([&](Socket& socket) {
    socket.send("hello\n");
    heard = socket.receive_all();
    ended = true;
  });
  ForwardingSession tunnel(relay, {at(target)});
  const WatchedProof proof(tunnel);
  Socket ours = client_of(tunnel);
  REQUIRE(wait_until([&] { return proof.accepted == 1; }));
  CHECK(proof.returned == 0);
  ours.send(mark_text);
  CHECK(ours.receive_until("\n") == "hello\n");
  REQUIRE(wait_until([&] { return proof.returned == 1; }));
  CHECK(tunnel.counters().open == 0);
  CHECK(tunnel.counters().accepted == 0);
  end_proof(tunnel);
  CHECK(ours.closed_by_peer());
  REQUIRE(wait_until([&] { return ended.load(); }));
  CHECK(heard.empty());
}

TEST_CASE("a visitor at the same moment is served in full, counted, and not taken for the proof") {
  const Sshd relay;
  const TargetServer target(greet_then_echo("hello\n"));
  ForwardingSession tunnel(relay, {at(target)});
  const WatchedProof proof(tunnel);
  Socket visitor = client_of(tunnel);
  CHECK(visitor.receive_until("\n") == "hello\n");
  const std::string words(5000, 'x');
  visitor.send(words);
  CHECK(visitor.receive_exactly(words.size()) == words);
  CHECK(proof.returned == 0);
  CHECK(tunnel.counters().accepted == 1);
  CHECK(tunnel.counters().open == 1);
  Socket ours = client_of(tunnel);
  ours.send(mark_text);
  REQUIRE(wait_until([&] { return proof.returned == 1; }));
  end_proof(tunnel);
  visitor.send("y");
  CHECK(visitor.receive_exactly(1) == "y");
  CHECK(tunnel.counters().accepted == 1);
}

TEST_CASE("a target that floods costs a proof 256 bytes, and a silent visitor gets all of it once the proof is over") {
  const Sshd relay;
  constexpr std::size_t size = 100000;
  const TargetServer target(source(1, size));
  ForwardingSession tunnel(relay, {at(target)});
  const WatchedProof proof(tunnel);
  Socket silent = client_of(tunnel);
  Socket ours = client_of(tunnel);
  REQUIRE(wait_until([&] { return proof.accepted == 2; }));
  CHECK(silent.receive_exactly(256).size() == 256);
  CHECK(ours.receive_exactly(256).size() == 256);
  CHECK(tunnel.counters().accepted == 0);
  ours.send(mark_text);
  REQUIRE(wait_until([&] { return proof.returned == 1; }));
  CHECK(silent.receive_all().size() == size - 256);
  end_proof(tunnel);
  CHECK(ours.receive_all().empty());
  CHECK(tunnel.counters().accepted == 1);
}

TEST_CASE("a proof gets in beside as many visitors as max_connections allows, and takes no visitor's place") {
  const Sshd relay;
  const TargetServer target(echo());
  ForwardingSession tunnel(relay, {at(target)}, [](TunnelSpec& spec) { spec.max_connections = 2; });
  Socket first = client_of(tunnel);
  Socket second = client_of(tunnel);
  REQUIRE(wait_until([&] { return tunnel.counters().accepted == 2; }));
  const WatchedProof proof(tunnel);
  Socket ours = client_of(tunnel);
  ours.send(mark_text);
  REQUIRE(wait_until([&] { return proof.returned == 1; }));
  CHECK(client_of(tunnel).closed_by_peer());  // one more visitor is one too many, as ever
  first.send("x");
  CHECK(first.receive_exactly(1) == "x");
  end_proof(tunnel);
  second.close();
  REQUIRE(wait_until([&] { return tunnel.counters().open == 1; }));
  Socket third = client_of(tunnel);
  third.send("z");
  CHECK(third.receive_exactly(1) == "z");
}

TEST_CASE("a target that fails is told to the proof once, and counted and logged for the others") {
  const Sshd relay;
  const RefusingPort refusing;
  ForwardingSession tunnel(relay, {TcpTarget{"127.0.0.1", refusing.port()}});
  const WatchedProof proof(tunnel);
  CHECK(client_of(tunnel).closed_by_peer());
  REQUIRE(wait_until([&] { return proof.target_failed == 1; }));
  CHECK(tunnel.counters().target_refused == 0);
  CHECK(tunnel.log().empty());
  CHECK(client_of(tunnel).closed_by_peer());
  REQUIRE(wait_until([&] { return tunnel.counters().target_refused == 1; }));
  CHECK(proof.target_failed == 1);
  CHECK(tunnel.counters().open == 0);
}

TEST_CASE("a mark that comes after the end of its proof never reaches the target, and its connection is closed") {
  const Sshd relay;
  std::string heard = "nothing yet";
  std::atomic<bool> ended = false;
  const TargetServer target([&](Socket& socket) {
    heard = socket.receive_all();
    ended = true;
  });
  ForwardingSession tunnel(relay, {at(target)});
  const WatchedProof proof(tunnel);
  Socket ours = client_of(tunnel);
  REQUIRE(wait_until([&] { return proof.accepted == 1; }));
  end_proof(tunnel);
  CHECK(tunnel.counters().open == 1);
  ours.send(mark_text);
  CHECK(ours.closed_by_peer());
  REQUIRE(wait_until([&] { return ended.load(); }));
  CHECK(heard.empty());
  CHECK(tunnel.counters().open == 0);
}

TEST_CASE("a drain does not wait for what may be a proof's connection and never spoke") {
  const Sshd relay;
  const TargetServer target([](Socket& socket) {
    socket.receive_all();
    socket.closed_by_peer();
  });
  ForwardingSession tunnel(relay, {at(target)});
  const WatchedProof proof(tunnel);
  Socket ours = client_of(tunnel);
  REQUIRE(wait_until([&] { return proof.accepted == 1; }));
  end_proof(tunnel);
  std::atomic<bool> drained = false;
  tunnel.on_loop([&] {
    tunnel.connections().drain([&] { drained = true; });
    return 0;
  });
  CHECK(wait_until([&] { return drained.load(); }));
  CHECK(ours.closed_by_peer());
}
