// How often a session waits for its relay until the first listener stands, and what is asked ahead of an answer.
#include <doctest/doctest.h>

#include "client.hpp"
#include "support/dropbear.hpp"
#include "support/net.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

RemoteForward forward_to(std::uint16_t port) {
  RemoteForward forward;
  forward.bind_address = "localhost";
  forward.port = port;
  return forward;
}

/// Through a proxy to the relay, with one forward.
template <typename Relay>
struct Beginning {
  explicit Beginning(const Relay& relay, std::uint16_t port = free_port()) : network(relay.port()) {
    TunnelSpec spec;
    spec.host_name = "127.0.0.1";
    spec.port = network.port();
    spec.user = relay.user();
    spec.identity_file = {client_key()};
    spec.user_known_hosts_file = dir / "known_hosts";

    spec.remote_forward = {forward_to(port)};
    client.emplace(spec);
  }
  /// Asks as the core does: when told that it is let in.
  std::uint16_t listen() { return client->log_in() ? client->listen(0) : std::uint16_t{0}; }

  TempDir dir;
  TcpProxy network;
  std::optional<Client> client;
};

/// How often the relay was asked for a listener before it had let anybody in.
std::size_t refused_before_login(const Sshd& relay) {
  const std::string log = relay.log();
  const std::string words = "dispatch_protocol_error: type 80";
  std::size_t count = 0;
  for (auto at = log.find(words); at != std::string::npos; at = log.find(words, at + 1)) ++count;
  return count;
}

}  // namespace

// The banner, KEXINIT, the key, NEWKEYS with the service, and the request to be let in with that for the listener.
constexpr std::size_t flights_to_a_listener = 5;

TEST_CASE("a listener stands after five flights") {
  const Sshd relay;
  Beginning start(relay);
  REQUIRE(start.listen() == start.client->spec.remote_forward[0].port);
  CHECK(start.network.flights() <= flights_to_a_listener);
  CHECK(Socket::connect_tcp("127.0.0.1", start.client->spec.remote_forward[0].port).fd() >= 0);
  CHECK(start.client->run_until([&] { return !start.client->peers.empty() || !start.client->requests.empty(); }));
}

TEST_CASE("the second listener is asked for in its turn") {
  const Sshd relay;
  Beginning start(relay);
  start.client->spec.remote_forward.push_back(forward_to(free_port()));
  REQUIRE(start.listen() != 0);
  CHECK(start.client->listen(1) == start.client->spec.remote_forward[1].port);
}

TEST_CASE("a port that the relay chooses is not asked for ahead") {
  const Sshd relay;
  Beginning start(relay);
  start.client->spec.remote_forward.push_back(forward_to(0));
  REQUIRE(start.client->log_in());
  CHECK(start.client->listen(1) != 0);
  CHECK(start.client->listen(0) == start.client->spec.remote_forward[0].port);
}

TEST_CASE("a listener that is refused is refused, and the session goes on") {
  Sshd relay;
  std::uint16_t port = free_port();
  SUBCASE("by policy") {
    relay.options().config = {"PermitListen 127.0.0.1:1"};
    relay.restart();
  }
  std::optional<TakenPort> taken;
  SUBCASE("because somebody holds it") {
    taken.emplace(port);
  }
  Beginning start(relay, port);
  CHECK(start.listen() == 0);
  REQUIRE(start.client->authenticated);
  // The slot for requests is free again.
  start.client->session->send_keepalive();
  CHECK(start.client->run_until([&] { return !start.client->round_trips.empty(); }));
}

TEST_CASE("a refused key is told as such, although a listener was asked for behind it") {
  const Sshd relay;
  Beginning start(relay);
  start.client->spec.identity_file = {stranger_key()};
  start.client->open();
  const Failure failure = start.client->wait_for_failure();
  CHECK(failure.cause == Cause::authentication_refused);
  CHECK(failure.detail.find(stranger_key()) != std::string::npos);
  CHECK(wait_until([&] { return refused_before_login(relay) == 1; }));  // it was
}

TEST_CASE("nothing is asked ahead while another key may be tried") {
  const Sshd relay;
  Beginning start(relay);
  start.client->spec.identity_file = {stranger_key(), client_key()};
  CHECK(start.listen() != 0);
  CHECK(refused_before_login(relay) == 0);
}

TEST_CASE("what was asked ahead in vain once is asked in its turn from then on") {
  const Sshd relay;
  Beginning start(relay);
  start.client->spec.identity_file = {stranger_key()};
  start.client->open();
  (void)start.client->wait_for_failure();
  REQUIRE(wait_until([&] { return refused_before_login(relay) == 1; }));
  CHECK_FALSE(start.client->learnt->reads_ahead);

  Beginning refused(relay);
  refused.client->spec.identity_file = {stranger_key()};
  refused.client->learnt = start.client->learnt;
  refused.client->open();
  (void)refused.client->wait_for_failure();
  Beginning again(relay);
  again.client->learnt = start.client->learnt;
  CHECK(again.listen() != 0);
  CHECK(again.network.flights() <= flights_to_a_listener + 1);
  CHECK(refused_before_login(relay) == 1);

  Beginning fresh(relay);
  REQUIRE(fresh.listen() != 0);
  fresh.client->session.reset();
  CHECK(fresh.client->learnt->reads_ahead);
}

TEST_CASE("Dropbear is not asked ahead") {
  const Dropbear relay;
  Beginning start(relay);
  CHECK(start.listen() != 0);
}
