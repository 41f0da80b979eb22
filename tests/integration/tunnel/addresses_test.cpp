// The addresses of a relay's name are not one thing: what happens behind TCP at one of them is not tried there again
// and again, and DNS's word is not the relay's.
#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "scenario.hpp"
#include "support/skip.hpp"

using namespace holdfast::test;

namespace {

void hold_silent(Socket& socket) {
  while (!socket.receive().empty()) {
  }
}

void speak_http(Socket& socket) {
  socket.send("HTTP/1.1 302 Found\r\n\r\n");
  socket.finish_sending();
  hold_silent(socket);
}

/// `first`: what was read already.
void lead(Socket& socket, std::uint16_t port, const std::string& first = "") {
  Socket there = Socket::connect_tcp("127.0.0.1", port);
  there.send(first);
  const std::array<Socket*, 2> ends{&socket, &there};
  std::array<pollfd, 2> ready{pollfd{socket.fd(), POLLIN, 0}, pollfd{there.fd(), POLLIN, 0}};
  while (::poll(ready.data(), ready.size(), -1) > 0) {
    for (std::size_t end = 0; end < ends.size(); ++end) {
      if (ready.at(end).revents == 0) continue;
      const std::string data = ends.at(end)->receive();
      if (data.empty()) return;
      ends.at(1 - end)->send(data);
    }
  }
}

Conversation lead_to(std::uint16_t port) {
  return [port](Socket& socket) { lead(socket, port); };
}

/// sslh, HAProxy with an inspect-delay, nginx with ssl_preread: who says nothing first is led nowhere. What came first:
class FirstLines {
 public:
  Conversation lead_to(std::uint16_t port) {
    return [this, port](Socket& socket) {
      const std::string line = socket.receive_until("\n");
      {
        const std::lock_guard lock(mutex_);
        lines_.push_back(line);
      }
      lead(socket, port, line);
    };
  }
  std::vector<std::string> all() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

/// The relay is at 127.0.0.1, and at ::1 is what `stranger` does; names lead to both, that one first.
struct Scenery {
  explicit Scenery(Conversation stranger) { elsewhere.emplace(std::move(stranger), Listener::tcp(relay.port(), true)); }

  Tunnel tunnel(const std::string& name) const {
    const std::string port = std::to_string(relay.port());
    std::string known = relay.known_hosts();
    const std::string written = "[127.0.0.1]:" + port;
    for (std::size_t at = 0; (at = known.find(written, at)) != std::string::npos;) {
      known.replace(at, written.size(), "[" + name + "]:" + port);
    }
    return Tunnel::to(name, relay.port(), relay.user(), known).forward(to_local(free_port(), 1));
  }
  std::string here() const { return "127.0.0.1:" + std::to_string(relay.port()); }

  Sshd relay;
  std::optional<TargetServer> elsewhere;
};

/// What DNS says of relay.example, and what the process keeps.
struct Names {
  explicit Names(const std::string& addresses) { say(addresses); }
  void say(const std::string& addresses) const { write_file(dir / "names", addresses); }
  std::map<std::string, std::string> environment() const {
    return {{"LD_PRELOAD", FAKE_NAMES},
            {"ASAN_OPTIONS", "verify_asan_link_order=0"},
            {"NAMES_FILE", dir / "names"},
            {"STATE_DIRECTORY", dir.path()}};
  }
  std::string kept() const { return std::filesystem::exists(dir / "addresses") ? read_file(dir / "addresses") : ""; }
  TempDir dir;
};

auto up_at(const std::string& address) {
  return [address](const Json& now) { return now["up"] == true && now["address"] == address; };
}

}  // namespace

TEST_CASE("an address where somebody takes the connection and is no relay is left for the name's next one") {
  if (skipped_without_ipv6()) return;
  Conversation stranger = [](Socket&) {};
  std::string cause = "connection_lost";
  std::chrono::milliseconds limit = 3s;
  SUBCASE("he closes it") {}
  SUBCASE("he stays silent") {
    stranger = hold_silent;
    cause = "phase_timed_out";
    limit = 5s;
  }
  SUBCASE("he speaks another protocol") {
    stranger = speak_http;
    cause = "protocol_mismatch";
  }
  SUBCASE("he stalls in the key exchange") {
    stranger = [](Socket& socket) {
      socket.send("SSH-2.0-OpenSSH_9.2p1\r\n");
      hold_silent(socket);
    };
    cause = "phase_timed_out";
    limit = 7s;
  }
  const Scenery scenery(stranger);
  const Stopwatch watch;
  const Holdfast holdfast(scenery.tunnel("localhost"));
  REQUIRE(holdfast.wait_for(up_at(scenery.here())));
  CHECK(watch.elapsed() < limit + slack);
  const Json now = holdfast.tunnel();
  CHECK(now["attempt"] == 2);
  CHECK(now["last_error"]["cause"] == cause);
  CHECK(now["last_error"]["subject"] == "localhost:" + std::to_string(scenery.relay.port()) + " [::1]");
}

TEST_CASE("another box under the relay's name: the address that was right is tried as well, and not forgotten") {
  if (skipped_without_ipv6()) return;
  SshdOptions other_keys;
  other_keys.host_key_set = 1;
  const Sshd stranger(other_keys);
  Conversation portal = lead_to(stranger.port());
  std::string cause = "host_key_changed";
  SUBCASE("an sshd") {}
  SUBCASE("a portal's web server") {
    portal = speak_http;
    cause = "protocol_mismatch";
  }
  SUBCASE("nobody") {
    portal = nullptr;
    cause = "connection_lost";
  }
  Scenery scenery(portal ? portal : hold_silent);
  if (!portal) scenery.elsewhere.reset();
  const Names names("127.0.0.1");
  const Holdfast holdfast({scenery.tunnel("relay.example")}, names.environment());
  REQUIRE(holdfast.wait_for(up_at(scenery.here())));
  CHECK(names.kept().find(" 127.0.0.1\n") != std::string::npos);

  names.say("::1");
  scenery.relay.kill_sessions();
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["sessions_established"] == 2 && now["up"] == true; }));
  CHECK(holdfast.tunnel()["address"] == scenery.here());
  CHECK(holdfast.cause() == cause);
  CHECK(names.kept().find("::1") == std::string::npos);
}

TEST_CASE("while a stranger has the relay's name no advice trusts him, and the tunnel is up soon after he is gone") {
  if (skipped_without_ipv6()) return;
  SshdOptions other_keys;
  other_keys.host_key_set = 1;
  const Sshd stranger(other_keys);
  Scenery scenery(lead_to(stranger.port()));
  const Names names("127.0.0.1");
  Tunnel tunnel = scenery.tunnel("relay.example");
  tunnel.set("backoff", "{network: {first: 1, cap: 1}, refused: {first: 100, cap: 100}}");
  const Holdfast holdfast({tunnel}, names.environment());
  REQUIRE(holdfast.wait_for(up_at(scenery.here())));

  names.say("::1");
  scenery.relay.stop();
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"].get<int>() >= 5; }));
  REQUIRE(holdfast.wait_for_failure("host_key_changed"));
  const Json error = holdfast.tunnel()["last_error"];
  const std::string port = std::to_string(scenery.relay.port());
  CHECK(error["subject"] == "relay.example:" + port + " [::1]");
  const std::string detail = error["detail"];
  CHECK_MESSAGE(detail.find("relay.example means ::1 now, 127.0.0.1 was right until ") != std::string::npos, detail);
  const std::string advice = error["remedy"];
  CHECK_MESSAGE(advice.find("ssh-keygen -lf") != std::string::npos, advice);
  CHECK_MESSAGE(advice.find("delete") == std::string::npos, advice);
  CHECK(names.kept().find("::1") == std::string::npos);

  names.say("127.0.0.1");
  scenery.relay.start();
  CHECK(holdfast.wait_for(up_at(scenery.here()), "relay", 3s + slack));
}

TEST_CASE("a start finds the address that was right, also while somebody else has the name or nobody answers for it") {
  if (skipped_without_ipv6()) return;
  const Scenery scenery([](Socket&) {});
  const Names names("127.0.0.1");
  Holdfast holdfast({scenery.tunnel("relay.example")}, names.environment());
  REQUIRE(holdfast.wait_for(up_at(scenery.here())));
  std::string said = "::1";
  SUBCASE("a stranger has the name") {}
  SUBCASE("DNS does not answer") {
    said = "";
  }
  names.say(said);
  holdfast.crash_and_start();
  CHECK(holdfast.wait_for(up_at(scenery.here())));
  CHECK(names.kept().find("::1") == std::string::npos);
}

TEST_CASE(
    "a relay behind what waits for the client's first bytes is found to be back, past an address that is not it") {
  if (skipped_without_ipv6()) return;
  Sshd preferred;
  const Sshd second;
  preferred.stop();
  FirstLines first_lines;
  const TargetServer multiplexer(first_lines.lead_to(preferred.port()));
  const TargetServer elsewhere([](Socket&) {}, Listener::tcp(multiplexer.port(), true));
  const std::string before = "localhost:" + std::to_string(multiplexer.port());
  Tunnel tunnel = Tunnel::to(second).forward(to_local(free_port(), 1)).set("fail_back_after", "1");
  tunnel.set("host_name", "[\"" + before + "\", \"127.0.0.1:" + std::to_string(second.port()) + "\"]");
  tunnel.set("strict_host_key_checking", "accept-new");
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for([&](const Json& now) { return now["up"] == true && now["relay"] != before; }));
  preferred.start();
  CHECK(holdfast.wait_for([&](const Json& now) { return now["up"] == true && now["relay"] == before; }));
  // A look begins as a session does.
  const auto lines = first_lines.all();
  CHECK(lines.size() >= 2);
  CHECK(std::all_of(lines.begin(), lines.end(), [&](const std::string& line) { return line == lines.front(); }));
}
