// Forwards, and the data of their channels.
#include <doctest/doctest.h>

#include "client.hpp"
#include "support/net.hpp"
#include "support/pattern.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

RemoteForward forward_to(std::uint16_t port, std::string bind_address = "localhost") {
  return {std::move(bind_address), port, TcpTarget{"localhost", 22}};
}

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
