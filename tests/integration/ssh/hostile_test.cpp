// A relay that does what no honest one does.
#include <doctest/doctest.h>
#include <libssh/callbacks.h>

#include <set>

#include "client.hpp"
#include "hostile_relay.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// Opens a channel and waits for the answer: true if it was accepted.
template <typename Open>
bool accepted(ssh_session session, Open open) {
  ssh_channel channel = ssh_channel_new(session);
  return open(channel) == SSH_OK;
}

bool open_forwarded(ssh_session session, const char* address, int port) {
  return accepted(session, [&](ssh_channel channel) {
    return ssh_channel_open_reverse_forward(channel, address, port, "192.0.2.1", 1234);
  });
}

}  // namespace

TEST_CASE("channels of every other type and port are refused and told") {
  std::set<std::string> taken;
  HostileRelay relay{[&taken](ssh_session session) {
    if (accepted(session, [](ssh_channel c) { return ssh_channel_open_session(c); })) taken.insert("session");
    if (accepted(session, [](ssh_channel c) { return ssh_channel_open_x11(c, "192.0.2.1", 1); })) taken.insert("x11");
    if (accepted(session, [](ssh_channel c) { return ssh_channel_open_auth_agent(c); })) taken.insert("agent");
    if (accepted(session, [](ssh_channel c) { return ssh_channel_open_forward(c, "127.0.0.1", 22, "x", 1); })) {
      taken.insert("direct-tcpip");
    }
    if (open_forwarded(session, "localhost", 22)) taken.insert("port 22");
    if (open_forwarded(session, "localhost", 0)) taken.insert("port 0");
    if (open_forwarded(session, "localhost", HostileRelay::granted_port)) taken.insert("the granted port");
  }};
  const TempDir dir;
  Client client{relay.spec(dir)};
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) == HostileRelay::granted_port);
  REQUIRE(client.run_until([&] { return relay.done() || client.ended(); }));
  CHECK(taken == std::set<std::string>{"the granted port"});
  CHECK(client.unwanted ==
        std::vector<std::string>{"a channel of type session", "a channel of type x11",
                                 "a channel of type auth-agent@openssh.com", "a channel of type direct-tcpip",
                                 "a connection to localhost port 22", "a connection to localhost port 0"});
  CHECK(client.peers.size() == 1);
  CHECK_FALSE(client.ended());
}

TEST_CASE("a listener on an address of its own is not reached by another address") {
  std::atomic<int> taken = 0;
  HostileRelay relay{[&taken](ssh_session session) {
    taken += open_forwarded(session, "0.0.0.0", HostileRelay::granted_port) ? 1 : 0;
    taken += open_forwarded(session, "127.0.0.2", HostileRelay::granted_port) ? 10 : 0;
  }};
  const TempDir dir;
  TunnelSpec spec = relay.spec(dir);
  spec.remote_forward[0].bind_address = "127.0.0.2";
  Client client{spec};
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) != 0);
  REQUIRE(client.run_until([&] { return relay.done() || client.ended(); }));
  CHECK(taken == 10);
}

TEST_CASE("connections before any forward was asked for are refused") {
  std::atomic<bool> taken = false;
  HostileRelay relay{
      [&taken](ssh_session session) { taken = open_forwarded(session, "localhost", HostileRelay::granted_port); },
      true};
  const TempDir dir;
  Client client{relay.spec(dir)};
  REQUIRE(client.log_in());
  REQUIRE(client.run_until([&] { return relay.done() || client.ended(); }));
  CHECK_FALSE(taken);
  CHECK(client.unwanted.size() == 1);
}

TEST_CASE("the session itself bounds what is open or waiting, generously, and tells") {
  std::atomic<int> taken = 0;
  HostileRelay relay{[&taken](ssh_session session) {
    for (int i = 0; i < 75; ++i) taken += open_forwarded(session, "localhost", HostileRelay::granted_port) ? 1 : 0;
  }};
  const TempDir dir;
  TunnelSpec spec = relay.spec(dir);
  spec.max_connections = 3;
  Client client{spec};
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) != 0);
  REQUIRE(client.run_until([&] { return relay.done() || client.ended(); }));
  CHECK(taken == 2 * 3 + 64);
  CHECK(client.unwanted == std::vector<std::string>(5, "more channels than it closes"));
}

TEST_CASE("a relay that floods instead of telling a port leaves time for others") {
  HostileRelay relay{[](ssh_session session) {
                       const std::string noise(1000, 'x');  // several in one read
                       for (int i = 0; i < 2000; ++i) ssh_send_ignore(session, noise.c_str());
                     },
                     true};
  const TempDir dir;
  TunnelSpec spec = relay.spec(dir);
  spec.remote_forward[0].port = 0;
  Client client{spec};
  REQUIRE(client.log_in());
  REQUIRE(wait_until([&] { return relay.done(); }));
  const auto before = client.session->traffic().bytes_received;
  const auto turns = client.received_calls;
  client.session->request_forward(0);
  REQUIRE(client.run_until([&] { return client.received_calls > turns || client.ended(); }));
  const auto in_one_turn = client.session->traffic().bytes_received - before;
  CHECK(in_one_turn > 0);
  CHECK(in_one_turn <= std::uint64_t{1024} * 1024);
}

TEST_CASE("a relay that asks channels for shells and terminals is told no") {
  std::atomic<int> granted = -1;
  HostileRelay relay{[&granted](ssh_session session) {
    ssh_channel channel = ssh_channel_new(session);
    if (ssh_channel_open_reverse_forward(channel, "localhost", HostileRelay::granted_port, "x", 1) != SSH_OK) return;
    int count = 0;
    count += ssh_channel_request_shell(channel) == SSH_OK ? 1 : 0;
    count += ssh_channel_request_exec(channel, "reboot") == SSH_OK ? 1 : 0;
    count += ssh_channel_request_pty(channel) == SSH_OK ? 1 : 0;
    count += ssh_channel_request_env(channel, "A", "B") == SSH_OK ? 1 : 0;
    ssh_channel_close(channel);
    granted = count;
  }};
  const TempDir dir;
  Client client{relay.spec(dir)};
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) != 0);
  REQUIRE(client.run_until([&] { return relay.done() || client.ended(); }));
  CHECK(granted == 0);
  REQUIRE(client.run_until([&] { return !client.peers.empty() && !client.peers.front().channel().is_open(); }));
}

TEST_CASE("extended data is dropped, and does not hold up the stream") {
  HostileRelay relay{[](ssh_session session) {
    ssh_channel channel = ssh_channel_new(session);
    if (ssh_channel_open_reverse_forward(channel, "localhost", HostileRelay::granted_port, "x", 1) != SSH_OK) return;
    const std::string noise(64 * 1024, 'e');
    for (int i = 0; i < 40; ++i)
      ssh_channel_write_stderr(channel, noise.data(), static_cast<std::uint32_t>(noise.size()));
    ssh_channel_write(channel, "data", 4);
  }};
  const TempDir dir;
  Client client{relay.spec(dir)};
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) != 0);
  REQUIRE(client.run_until([&] { return !client.peers.empty() && client.peers.front().received == "data"; }));
}

TEST_CASE("a reader that stalls shuts the window, and gets the rest in one piece") {
  std::atomic<std::uint64_t> sent = 0;
  HostileRelay relay{[&sent](ssh_session session) {
    ssh_channel channel = ssh_channel_new(session);
    if (ssh_channel_open_reverse_forward(channel, "localhost", HostileRelay::granted_port, "x", 1) != SSH_OK) return;
    ssh_set_blocking(session, 0);
    const std::string chunk(32 * 1024, 'x');
    // Pushes for as long as there is any room.
    for (int idle = 0; idle < 50;) {
      const int count = ssh_channel_write(channel, chunk.data(), static_cast<std::uint32_t>(chunk.size()));
      if (count < 0) return;
      sent += static_cast<std::uint64_t>(count);
      idle = count == 0 ? idle + 1 : 0;
      ssh_channel_poll_timeout(channel, count == 0 ? 10 : 0, 0);
    }
    ssh_set_blocking(session, 1);
  }};
  const TempDir dir;
  Client client{relay.spec(dir)};
  REQUIRE(client.log_in());
  client.hold_requests = true;
  REQUIRE(client.listen(0) != 0);
  REQUIRE(client.run_until([&] { return !client.requests.empty(); }));
  auto channel = client.requests.front().accept();
  REQUIRE(channel);
  Peer& peer = client.peers.emplace_back(std::move(*channel), 0);
  peer.budget = 1000;
  REQUIRE(client.run_until([&] { return relay.done() || client.ended(); }));
  CHECK(peer.received.size() == 1000);
  CHECK(peer.data_calls == 1);
  CHECK(sent < 3'000'000);
  peer.budget = SIZE_MAX;
  peer.take_buffered();
  REQUIRE(client.run_until([&] { return peer.received.size() == sent; }));
  CHECK_FALSE(client.ended());
}

TEST_CASE("opens that nobody asked for are refused, each of them, and are no reason to end a session") {
  HostileRelay relay{[](ssh_session session) {
    ssh_set_blocking(session, 0);
    for (int i = 0; i < 400; ++i) {
      ssh_channel channel = ssh_channel_new(session);
      ssh_channel_open_reverse_forward(channel, "localhost", 22, "x", 1);
    }
    ssh_set_blocking(session, 1);
  }};
  const TempDir dir;
  Client client{relay.spec(dir)};
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) != 0);
  REQUIRE(client.run_until([&] { return client.unwanted.size() == 400 || client.ended(); }, std::chrono::seconds{30}));
  CHECK_FALSE(client.ended());
}

TEST_CASE("a request that outlives its session is spent") {
  HostileRelay relay{[](ssh_session session) {
    ssh_set_blocking(session, 0);
    ssh_channel channel = ssh_channel_new(session);
    ssh_channel_open_reverse_forward(channel, "localhost", HostileRelay::granted_port, "x", 1);
    ssh_set_blocking(session, 1);
  }};
  const TempDir dir;
  Client client{relay.spec(dir)};
  client.hold_requests = true;
  REQUIRE(client.log_in());
  REQUIRE(client.listen(0) != 0);
  REQUIRE(client.run_until([&] { return client.requests.size() == 1; }));
  CHECK(client.requests.front().originator() == "x");
  CHECK(client.requests.front().originator_port() == 1);
  client.session.reset();
  CHECK_FALSE(client.requests.front().accept());
}

TEST_CASE("a chosen port is read though another message of the relay comes right before the answer") {
  // As sshd's hostkeys-00@openssh.com does, which it sends as soon as a login is through.
  constexpr std::uint16_t chosen = 40001;
  std::atomic<bool> asked = false;
  std::atomic<bool> both = false;
  HostileRelay relay{[&](ssh_session session) {
                       ssh_message request = ssh_message_get(session);
                       asked = true;
                       REQUIRE(wait_until([&] { return both.load(); }));
                       ssh_set_blocking(session, 0);
                       ssh_send_keepalive(session);
                       ssh_message_global_request_reply_success(request, chosen);
                       ssh_blocking_flush(session, 10000);
                       ssh_message_free(request);
                     },
                     true};
  const TempDir dir;
  Client client{relay.spec(dir)};
  client.spec.remote_forward[0].port = 0;
  REQUIRE(client.log_in());
  client.session->request_forward(0);
  REQUIRE(client.run_until([&] { return asked.load(); }));
  both = true;
  REQUIRE(wait_until([&] { return relay.done(); }));  // the client's loop stands still meanwhile
  REQUIRE(client.run_until([&] { return !client.answered.empty() || client.ended(); }));
  REQUIRE_FALSE(client.ended());
  CHECK(client.bound.at(0) == chosen);
}
