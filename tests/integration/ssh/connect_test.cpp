// Opening a session: banner, keys, host key, and how each of them fails.
#include <doctest/doctest.h>

#include "client.hpp"
#include "ssh/ciphers.hpp"
#include "support/net.hpp"
#include "support/targets.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// A relay that says something and then does what it is told; no SSH.
struct Answerer {
  explicit Answerer(std::string text, bool stays = false)
      : server([text, stays](Socket& socket) {
          socket.send(text);
          if (stays) (void)socket.receive_all();
        }) {}
  TargetServer server;
};

TunnelSpec spec_at(std::uint16_t port, const TempDir& dir) {
  TunnelSpec spec;
  spec.host_name = "127.0.0.1";
  spec.port = port;
  spec.user = "tunnel";
  spec.identity_file = {client_key()};
  spec.user_known_hosts_file = dir / "known_hosts";
  return spec;
}

std::string first_of(std::string_view list) {
  return std::string{list.substr(0, list.find(','))};
}

}  // namespace

TEST_CASE("a session opens, tells each phase once and names its cipher") {
  const TempDir dir;
  const Sshd sshd;
  Client client{Client::spec_for(sshd, dir)};
  REQUIRE(client.log_in());
  CHECK(client.server.starts_with("SSH-2.0-OpenSSH_"));
  CHECK(client.keys_exchanged);
  CHECK(client.session->cipher() == first_of(ssh::default_ciphers().ciphers));
  CHECK(client.session->cipher_reason() == ssh::default_ciphers().reason);
  CHECK(client.session->traffic().bytes_received > 0);
  CHECK(client.session->traffic().bytes_sent > 0);
  CHECK(client.session->traffic().packets_received > 0);
}

TEST_CASE("closing a session says DISCONNECT and ends when the relay has read it") {
  const TempDir dir;
  Sshd sshd{{.config = {"LogLevel DEBUG1"}}};
  Client client{Client::spec_for(sshd, dir)};
  REQUIRE(client.log_in());
  client.session->close();
  REQUIRE(client.run_until([&] { return client.ended(); }));
  CHECK(client.closed);
  CHECK_FALSE(client.failure);
  CHECK(wait_until([&] { return sshd.log_has("Received disconnect from"); }));
}

TEST_CASE("what speaks no SSH is a protocol mismatch that quotes it") {
  const TempDir dir;
  Answerer http{"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n"};
  Client client{spec_at(http.server.port(), dir)};
  client.open();
  const Failure failure = client.wait_for_failure();
  CHECK(failure.cause == Cause::protocol_mismatch);
  CHECK(failure.detail.find("HTTP/1.1 400 Bad Request") != std::string::npos);
}

TEST_CASE("a server of SSH 1 alone is a protocol mismatch that quotes it") {
  const TempDir dir;
  for (const std::string more : {"", "and a packet"}) {
    Answerer old{"SSH-1.5-1.2.27\r\n" + more};
    Client client{spec_at(old.server.port(), dir)};
    client.open();
    CHECK(describe(client.wait_for_failure()) ==
          "read the banner of " + relay_name(client.spec) + ": protocol mismatch (it said \"SSH-1.5-1.2.27\")");
  }
}

TEST_CASE("a relay that closes without a banner lost the connection, and it says what that often means") {
  const TempDir dir;
  TargetServer closer{[](Socket&) {}};
  Client client{spec_at(closer.port(), dir)};
  client.open();
  const Failure failure = client.wait_for_failure();
  CHECK(failure.cause == Cause::connection_lost);
  CHECK(failure.detail.find("without a banner") != std::string::npos);
}

TEST_CASE("a relay with too many visitors says so before its banner") {
  const TempDir dir;
  const Sshd sshd{{.config = {"MaxStartups 1:100:1"}}};
  const Socket first = Socket::connect_tcp(sshd.host(), sshd.port());
  Client client{Client::spec_for(sshd, dir)};
  client.open();
  const Failure failure = client.wait_for_failure();
  // From 9.8 on sshd has one sentence for this and for its penalties.
  const bool penalises = sshd_knows("PerSourcePenalties yes");
  CHECK(failure.cause == (penalises ? Cause::relay_penalty : Cause::relay_disconnected));
  CHECK(failure.detail.find(penalises ? "Not allowed at this time" : "Exceeded MaxStartups") != std::string::npos);
}

TEST_CASE("an endless banner is cut off, and control characters stay out of the message") {
  const TempDir dir;
  Answerer endless{"\x1b[2J" + std::string(5000, 'x') + "\n"};
  Client client{spec_at(endless.server.port(), dir)};
  client.open();
  const Failure failure = client.wait_for_failure();
  CHECK(failure.cause == Cause::protocol_mismatch);
  CHECK(failure.detail.find('\x1b') == std::string::npos);
  CHECK(failure.detail.size() < 300);
}

TEST_CASE("garbage behind the banner is a failed key exchange") {
  const TempDir dir;
  Answerer garbage{"SSH-2.0-OpenSSH_9.2\r\n" + std::string(4000, '\xff'), true};
  Client client{spec_at(garbage.server.port(), dir)};
  client.open();
  const Failure failure = client.wait_for_failure();
  CHECK(failure.cause == Cause::key_exchange_failed);
}

TEST_CASE("no common algorithm is named") {
  const TempDir dir;
  const Sshd sshd;
  TunnelSpec spec = Client::spec_for(sshd, dir);
  spec.ciphers = "aes128-cbc";
  Client client{spec};
  client.open();
  const Failure failure = client.wait_for_failure();
  CHECK(failure.cause == Cause::no_common_algorithm);
  CHECK(failure.detail.find("encryption client->server") != std::string::npos);
}

TEST_CASE("an algorithm that libssh does not know is refused by its option's name") {
  const TempDir dir;
  const Sshd sshd;
  for (auto option :
       {&TunnelSpec::ciphers, &TunnelSpec::macs, &TunnelSpec::kex_algorithms, &TunnelSpec::host_key_algorithms}) {
    TunnelSpec spec = Client::spec_for(sshd, dir);
    spec.*option = "+nonsense";
    Client client{spec};
    client.open();
    const Failure failure = client.wait_for_failure();
    CHECK(failure.cause == Cause::local_error);
    CHECK(failure.detail.find("'nonsense'") != std::string::npos);
  }
}

TEST_CASE("the user's algorithms are used") {
  const TempDir dir;
  const Sshd sshd;
  TunnelSpec spec = Client::spec_for(sshd, dir);
  spec.ciphers = "^aes256-ctr";
  spec.kex_algorithms = "ecdh-sha2-nistp256";
  spec.macs = "hmac-sha2-512-etm@openssh.com";
  spec.host_key_algorithms = "rsa-sha2-512";
  Client client{spec};
  REQUIRE(client.log_in());
  CHECK(client.session->cipher() == "aes256-ctr");
}

TEST_CASE("a flipped byte ends the session before anything of it is delivered") {
  for (const std::string cipher :
       {"chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr"}) {
    CAPTURE(cipher);
    const TempDir dir;
    const Sshd sshd;
    TcpProxy proxy{sshd.port()};
    TunnelSpec spec = Client::spec_for(sshd, dir);
    spec.port = proxy.port();
    spec.strict_host_key_checking = StrictHostKeyChecking::no;
    spec.ciphers = cipher;
    const std::uint16_t port = free_port();
    spec.remote_forward = {{"localhost", port, TcpTarget{"localhost", 22}}};
    Client client{spec};
    REQUIRE(client.log_in());
    REQUIRE(client.listen(0) == port);
    Socket visitor = Socket::connect_tcp("127.0.0.1", port);
    REQUIRE(client.run_until([&] { return client.peers.size() == 1; }));
    client.run_for(std::chrono::milliseconds{50});
    proxy.flip_byte(TcpProxy::to_client, 500);
    visitor.send(std::string(10'000, 'x'));
    const Failure failure = client.wait_for_failure();
    CHECK(failure.cause == Cause::integrity_failed);
    CHECK(client.peers.front().received.find_first_not_of('x') == std::string::npos);
  }
}

TEST_CASE("a relay that stalls in any phase holds up nobody, and the session can be dropped") {
  const Sshd sshd;
  for (const std::uint64_t bytes : {0U, 10U, 41U, 300U, 1300U, 1600U}) {
    CAPTURE(bytes);
    const TempDir dir;
    TcpProxy proxy{sshd.port()};
    proxy.freeze_after(TcpProxy::to_client, bytes);
    TunnelSpec spec = Client::spec_for(sshd, dir);
    spec.port = proxy.port();
    spec.strict_host_key_checking = StrictHostKeyChecking::no;
    Client client{spec};
    client.open();
    client.run_for(std::chrono::milliseconds{150});
    CHECK_FALSE(client.ended());
    CHECK_FALSE(client.authenticated);
    CHECK(client.longest_turn < std::chrono::milliseconds{500});
    client.session->close();
    client.run_for(std::chrono::milliseconds{20});
  }
}

TEST_CASE("a relay that dies is noticed in each phase") {
  for (const int phase : {0, 1, 2}) {
    CAPTURE(phase);
    const TempDir dir;
    Sshd sshd;
    TcpProxy proxy{sshd.port()};
    TunnelSpec spec = Client::spec_for(sshd, dir);
    spec.port = proxy.port();
    spec.strict_host_key_checking = StrictHostKeyChecking::no;
    Client client{spec};
    client.authenticate_at_once = false;
    if (phase == 0) proxy.freeze_after(TcpProxy::to_client, 300);
    client.open();
    REQUIRE(client.run_until([&] { return phase == 0 ? !client.server.empty() : client.keys_exchanged; }));
    if (phase == 2) {
      client.session->authenticate();
      REQUIRE(client.run_until([&] { return client.authenticated; }));
    }
    proxy.cut(true);
    CHECK(client.wait_for_failure().cause == Cause::connection_lost);
  }
}

TEST_CASE("a session may be destroyed in any of its callbacks") {
  struct Impatient final : ssh::SessionObserver {
    explicit Impatient(int at) : when(at) {}
    void count() {
      if (++calls == when) session.reset();
    }
    void on_event(SessionEvent event) override {
      if (std::holds_alternative<SessionFailed>(event) || std::holds_alternative<SessionClosed>(event)) {
        return session.reset();
      }
      if (session) go_on(event);
      count();
    }
    void go_on(const SessionEvent& event) const {
      const auto* done = std::get_if<PhaseCompleted>(&event);
      if (done != nullptr && done->phase == OpeningPhase::key_exchange) session->authenticate();
      if (done != nullptr && done->phase == OpeningPhase::authenticate) {
        session->request_forward(0);
        session->send_keepalive();
      }
      if (std::holds_alternative<ForwardAnswered>(event)) session->cancel_forward(0);
    }
    void on_keepalive_answered(Duration) override { count(); }
    void on_open_request(ssh::OpenRequest) override { count(); }
    void on_host_key_met(const std::string&) override { count(); }
    void on_unwanted_open(const std::string&) override { count(); }
    int when;
    int calls = 0;
    std::unique_ptr<ssh::Session> session;
  };
  const TempDir dir;
  const Sshd sshd;
  TunnelSpec spec = Client::spec_for(sshd, dir);
  spec.remote_forward = {{"localhost", 0, TcpTarget{"localhost", 22}}};
  for (int when = 1; when <= 12; ++when) {
    boost::asio::io_context context;
    boost::asio::ip::tcp::socket socket{context};
    socket.connect({boost::asio::ip::make_address(spec.host_name), spec.port});
    Impatient owner{when};
    owner.session = std::make_unique<ssh::Session>(
        std::move(socket), spec, owner,
        std::make_shared<ssh::Storage>(context.get_executor(), std::make_shared<net::Disk>(context.get_executor())));
    owner.session->open();
    context.run_for(std::chrono::seconds{2});
    CHECK(owner.calls >= std::min(when, 8));
    owner.session.reset();
  }
}
