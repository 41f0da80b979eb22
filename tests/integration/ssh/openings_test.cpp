// Channels that we ask the relay for, and the socket of a dead session.
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "client.hpp"
#include "support/net.hpp"
#include "support/targets.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// A session that asks for channels. What it opened becomes a peer, numbered as `forward`.
struct Asker {
  explicit Asker(SshdOptions options = {}) : sshd(std::move(options)), client(Client::spec_for(sshd, dir)) {
    REQUIRE(client.log_in());
  }

  /// Waits for the answer: nothing if the channel is open.
  std::optional<ssh::OpenFailure> knock(std::uint16_t port) {
    client.session->open_direct_tcpip("localhost", port, handler());
    return wait();
  }
  std::optional<ssh::OpenFailure> exec(const std::string& command) {
    client.session->open_exec(command, handler());
    return wait();
  }

  TempDir dir;
  Sshd sshd;
  Client client;

 private:
  ssh::OpenHandler handler() {
    told_ = false;
    failure_.reset();
    return [this](tl::expected<ssh::Channel, ssh::OpenRefusal> opened) {
      told_ = true;
      if (!opened) {
        failure_ = opened.error().reason;
        return;
      }
      client.peers.emplace_back(std::move(*opened), 0);
      client.peers.back().take_buffered();
    };
  }
  std::optional<ssh::OpenFailure> wait() {
    REQUIRE(client.run_until([this] { return told_ || client.ended(); }));
    REQUIRE(told_);
    return failure_;
  }

  bool told_ = false;
  std::optional<ssh::OpenFailure> failure_;
};

}  // namespace

TEST_CASE("a knock on a port where somebody listens opens, and carries data both ways") {
  const TargetServer target(greet_then_echo("hello\n"));
  Asker asker;
  REQUIRE_FALSE(asker.knock(target.port()).has_value());
  Peer& peer = asker.client.peers.back();
  CHECK(asker.client.run_until([&] { return peer.received == "hello\n"; }));
  peer.send("x");
  CHECK(asker.client.run_until([&] { return peer.received == "hello\nx"; }));
  peer.let_go();
  CHECK(asker.client.run_until([&] { return target.open() == 0; }));
}

TEST_CASE("a knock that does not open tells whether nobody listens or we may not look") {
  const RefusingPort port;
  SUBCASE("nobody listens") {
    Asker asker;
    CHECK(asker.knock(port.port()) == ssh::OpenFailure::refused);
    CHECK(asker.knock(port.port()) == ssh::OpenFailure::refused);
    CHECK_FALSE(asker.exec("true").has_value());  // the session is none the worse
  }
  SUBCASE("permitopen of another port") {
    Asker asker({.authorized_keys = {{"permitopen=\"localhost:1\" " + public_key(client_key())}}});
    CHECK(asker.knock(port.port()) == ssh::OpenFailure::prohibited);
  }
  SUBCASE("AllowTcpForwarding no") {
    Asker asker({.config = {"AllowTcpForwarding no"}});
    CHECK(asker.knock(port.port()) == ssh::OpenFailure::prohibited);
  }
}

TEST_CASE("each opening is told its own reason, whatever else the relay refuses in the same breath") {
  const RefusingPort port;
  Asker asker({.config = {"LogLevel DEBUG1", "MaxSessions 0", "PermitOpen 127.0.0.1:" + std::to_string(port.port())}});
  using Reason = std::optional<ssh::OpenFailure>;
  Reason refused;
  Reason prohibited;
  Reason command;
  const auto into = [](Reason& reason) {
    return [&reason](const auto& opened) { reason = opened ? Reason{} : opened.error().reason; };
  };
  ssh::Session& session = *asker.client.session;
  // sshd has to try a connection before it refuses, and refuses the others at once.
  session.open_direct_tcpip("127.0.0.1", port.port(), into(refused));
  SUBCASE("another opening, before") {
    session.open_direct_tcpip("127.0.0.1", 1, into(prohibited));
  }
  SUBCASE("a command") {
    session.open_exec("true", into(command));
  }
  SUBCASE("a keepalive") {
    session.send_keepalive();
  }
  SUBCASE("all of them") {
    session.open_direct_tcpip("127.0.0.1", 1, into(prohibited));
    session.open_exec("true", into(command));
    session.send_keepalive();
  }
  // All answers are there before the first is read.
  asker.client.context.poll();
  REQUIRE(wait_until([&] { return asker.sshd.log_has("connect_to 127.0.0.1 port"); }));
  REQUIRE(asker.client.run_until([&] { return refused.has_value(); }));
  CHECK(refused == ssh::OpenFailure::refused);
  if (prohibited) CHECK(prohibited == ssh::OpenFailure::prohibited);
  if (command) CHECK(command == ssh::OpenFailure::not_connected);
  CHECK_FALSE(asker.client.ended());
}

TEST_CASE("sessions that number their channels alike do not get each other's reasons") {
  const RefusingPort port;
  Asker lenient;
  Asker strict({.config = {"PermitOpen none"}});
  std::optional<ssh::OpenFailure> refused;
  std::optional<ssh::OpenFailure> prohibited;
  lenient.client.session->open_direct_tcpip("127.0.0.1", port.port(),
                                            [&](const auto& opened) { refused = opened.error().reason; });
  strict.client.session->open_direct_tcpip("127.0.0.1", port.port(),
                                           [&](const auto& opened) { prohibited = opened.error().reason; });
  lenient.client.context.poll();
  strict.client.context.poll();
  REQUIRE(strict.client.run_until([&] { return prohibited.has_value(); }));
  REQUIRE(lenient.client.run_until([&] { return refused.has_value(); }));
  CHECK(prohibited == ssh::OpenFailure::prohibited);
  CHECK(refused == ssh::OpenFailure::refused);
}

TEST_CASE("a command of ours reads what we send and answers, also beside a knock") {
  const TargetServer target(greet_then_echo("hello\n"));
  Asker asker;
  REQUIRE_FALSE(asker.exec("exec cat").has_value());
  Peer& command = asker.client.peers.back();
  REQUIRE_FALSE(asker.knock(target.port()).has_value());
  Peer& knock = asker.client.peers.back();
  command.send("line\n");
  CHECK(asker.client.run_until([&] { return command.received == "line\n" && knock.received == "hello\n"; }));
  command.channel().send_eof();
  CHECK(asker.client.run_until([&] { return command.channel().at_eof(); }));
}

TEST_CASE("a relay that runs no commands refuses ours, and the session goes on") {
  const TargetServer target(greet_then_echo("hello\n"));
  Asker asker({.config = {"MaxSessions 0"}});
  CHECK(asker.exec("true").has_value());
  CHECK_FALSE(asker.knock(target.port()).has_value());
}

TEST_CASE("the relay learns nothing of a released socket until it is closed") {
  TempDir dir;
  const Sshd sshd;
  TcpProxy proxy(sshd.port());
  Client client(Client::spec_for(sshd, dir));
  client.spec.port = proxy.port();
  client.spec.strict_host_key_checking = StrictHostKeyChecking::no;
  REQUIRE(client.log_in());
  const std::uint64_t sent = proxy.bytes(TcpProxy::to_server);
  auto socket = client.session->release_socket();
  REQUIRE(socket.has_value());
  client.session.reset();
  client.run_for(std::chrono::milliseconds{100});
  CHECK(holds_for([&] { return proxy.open() == 1 && sshd.sessions().size() == 2; }, std::chrono::milliseconds{400}));
  CHECK(proxy.bytes(TcpProxy::to_server) == sent);
  socket->set_option(boost::asio::socket_base::linger(true, 0));
  socket.reset();
  CHECK(wait_until([&] { return sshd.sessions().empty(); }));
  CHECK(proxy.bytes(TcpProxy::to_server) == sent);
}
