// Opening a session: banner, keys, host key, and how each of them fails.
#include <doctest/doctest.h>

#include "client.hpp"
#include "support/net.hpp"
#include "support/targets.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// A relay that says something and then does what it is told; no SSH.
struct Answerer {
  explicit Answerer(std::string text) : server([text](Socket& socket) { socket.send(text); }) {}
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

}  // namespace

TEST_CASE("a session opens, tells each phase once and names its cipher") {
  const TempDir dir;
  const Sshd sshd;
  Client client{Client::spec_for(sshd, dir)};
  REQUIRE(client.log_in());
  CHECK(client.banner);
  CHECK(client.keys_exchanged);
  CHECK(client.session->cipher() == "chacha20-poly1305@openssh.com");
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

TEST_CASE("a relay that closes without a banner lost the connection, and it says what that often means") {
  const TempDir dir;
  TargetServer closer{[](Socket&) {}};
  Client client{spec_at(closer.port(), dir)};
  client.open();
  const Failure failure = client.wait_for_failure();
  CHECK(failure.cause == Cause::connection_lost);
  CHECK(failure.detail.find("without a banner") != std::string::npos);
}
