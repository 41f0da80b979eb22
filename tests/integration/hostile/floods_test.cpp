// Floods of channel opens, in each state in which the program has other things to do than to take them.
#include <doctest/doctest.h>

#include <utility>

#include "scene.hpp"

using namespace holdfast::test;

namespace {

constexpr std::size_t most_opens = 100'000;  // libssh keeps 360 bytes of each that nobody takes

/// Opens of every type, for nothing that was ever asked for.
RelaySession::Next opens() {
  return [number = std::uint32_t{1000}]() mutable {
    ++number;
    switch (number % 4) {
      case 0:
        return say::channel_open("session", number);
      case 1:
        return say::channel_open("x11", number, Writer().string("192.0.2.1").uint32(6000).bytes());
      case 2:
        return say::forwarded_tcpip(number, "localhost", 22);
      default:
        return say::channel_open("unheard-of@example.com", number);
    }
  };
}

/// The first session is flooded where the script says so; what came of it. Later ones are served honestly.
class Flooded {
 public:
  using Prelude = std::function<void(RelaySession&)>;

  /// `prelude` brings the session to where the flood begins.
  ScriptedRelay::Script script(Prelude prelude, Flood limits = {.time = 60s}) {
    limits.count = most_opens;
    return [this, prelude = std::move(prelude), limits](RelaySession& session) {
      if (begun_.exchange(true)) return session.serve();
      try {
        prelude(session);
        sent_ = session.flood(opens(), limits);
        session.serve_until([this](const Packet& packet) {
          if (packet.type() == msg::channel_open_failure) ++refused_;
          return refused_ == sent_;
        });
        over_ = true;
        session.serve();
      } catch (const PeerGone&) {
        over_ = true;
      }
    };
  }

  std::size_t sent() const { return sent_; }
  /// The session has ended, or every open is refused.
  [[nodiscard]] bool wait_for_end() const {
    const bool ended = wait_until([this] { return over_.load(); }, 90s);
    MESSAGE(sent_.load(), " opens sent, ", refused_.load(), " refused");
    return ended;
  }

 private:
  std::atomic<bool> begun_ = false;
  std::atomic<std::size_t> sent_ = 0;
  std::atomic<std::size_t> refused_ = 0;
  std::atomic<bool> over_ = false;
};

}  // namespace

TEST_CASE("a flood of opens while a forward of any port is awaited costs no memory") {
  Flooded flooded;
  const Scene scene(flooded.script([](RelaySession& session) { session.serve_until(global_request("tcpip-forward")); }),
                    [](Tunnel& tunnel) { tunnel.set("connect_timeout", "60").forward(to_local(0, 1)); });
  REQUIRE(flooded.wait_for_end());
  scene.check_cost();
}

TEST_CASE("a flood of opens while the answer to the login is awaited ends the session") {
  Flooded flooded;
  const Scene scene(flooded.script([](RelaySession& session) { session.serve_until(is_login); }));
  REQUIRE(flooded.wait_for_end());
  CHECK(flooded.sent() < most_opens);
  scene.check_cost();
  CHECK(scene.wait_for([](const Json& now) { return now["up"] == true; }));
}

TEST_CASE("a flood of opens right behind the login costs no memory") {
  Flooded flooded;
  const Scene scene(flooded.script([](RelaySession& session) { session.handle(session.serve_until(is_login)); }));
  REQUIRE(flooded.wait_for_end());
  scene.check_cost();
  CHECK(scene.wait_for([](const Json& now) { return now["up"] == true; }));
}

TEST_CASE("a flood of opens that does not end is slowed down, and then ends the session") {
  Flooded flooded;
  const Scene scene(
      flooded.script([](RelaySession& session) { session.handle(session.serve_until(channel_request("exec"))); }));
  REQUIRE(flooded.wait_for_end());
  CHECK(flooded.sent() < most_opens);
  CHECK(scene.holdfast().says("packets without an end that lead to nothing"));
  scene.check_cost({.cpu_time = 1s});
  CHECK(scene.wait_for([](const Json& now) { return now["up"] == true; }));
}

TEST_CASE("a flood of opens for a listener that is held costs no memory") {
  const TargetServer target(echo());
  std::atomic<bool> over = false;
  const Scene scene(
      [&](RelaySession& session) {
        session.handle(session.serve_until(channel_request("exec")));
        const HonestRelay::Listener held = session.listeners().at(0);
        const auto next = [&, number = std::uint32_t{1000}]() mutable {
          return say::forwarded_tcpip(++number, held.address, held.port);
        };
        MESSAGE(session.flood(next, {.count = most_opens, .time = 10s}), " opens sent");
        over = true;
        session.serve();
      },
      [&](Tunnel& tunnel) {
        tunnel.set("max_connections", "16").set("verify_interval", "0");
        tunnel.forward(to_local(free_port(), target.port()));
      });
  REQUIRE(wait_until([&] { return over.load(); }, 30s));
  scene.check_cost({.cpu_time = 20s});
}

TEST_CASE("a flood of opens during an exchange of keys ends the session") {
  Flooded flooded;
  Flooded::Prelude in_the_middle;
  SUBCASE("before the client has answered KEXINIT") {
    in_the_middle = [](RelaySession& session) { session.send_kexinit(); };
  }
  SUBCASE("before the relay has sent its key") {
    in_the_middle = [](RelaySession& session) {
      session.send_kexinit();
      session.serve_until(of_type(msg::kex_ecdh_init));
    };
  }
  const Scene scene(flooded.script([&](RelaySession& session) {
    session.handle(session.serve_until(channel_request("exec")));
    in_the_middle(session);
  }));
  REQUIRE(flooded.wait_for_end());
  CHECK(flooded.sent() < most_opens);
  scene.check_cost();
  CHECK(scene.wait_for([](const Json& now) { return now["up"] == true; }));
}

TEST_CASE("a relay that sends on instead of letting us in costs a few megabytes") {
  constexpr std::size_t packet = 30'000;
  bool with_keys = false;
  std::atomic<std::size_t> sent = 0;
  std::atomic<bool> over = false;
  SUBCASE("before the keys") {}
  SUBCASE("before the login is answered") {
    with_keys = true;
  }
  const Scene scene([&](RelaySession& session) {
    if (over) return session.serve();
    session.begin();
    if (with_keys) session.serve_until(is_login);
    sent =
        packet * session.flood([&] { return say::ignore(std::string(packet, 'x')); }, {.count = 10'000, .time = 10s});
    over = true;
  });
  REQUIRE(wait_until([&] { return over.load(); }, 30s));
  MESSAGE(sent.load(), " bytes sent");
  CHECK(sent < 40'000'000);  // most of it is in the kernel's buffers
  scene.check_cost();
  CHECK(scene.wait_for([](const Json& now) { return now["up"] == true; }));
}

TEST_CASE("a flood of opens while the tunnel drains costs no memory") {
  Flooded flooded;
  Scene scene(
      flooded.script([](RelaySession& session) { session.serve_until(global_request("cancel-tcpip-forward")); }));
  REQUIRE(scene.wait_for([](const Json& now) { return now["up"] == true; }));
  scene.remove_hostile();
  REQUIRE(flooded.wait_for_end());
  scene.check_cost();
}

TEST_CASE("a flood of opens while the session closes and its output is stuck costs no memory") {
  std::atomic<bool> closing = false;
  const TargetServer talker([](Socket& socket) {
    for (;;) socket.send(std::string(65536, 'x'));
  });
  Flooded flooded;
  const Scene scene(
      flooded.script(
          [&](RelaySession& session) {
            session.handle(session.serve_until(channel_request("exec")));
            const HonestRelay::Listener listener = session.listeners().at(0);
            session.send(
                say::forwarded_tcpip(session.new_number(), listener.address, listener.port, {0xffffffff, 32768}));
            session.serve_until(of_type(msg::channel_open_confirmation));
            REQUIRE(wait_until([&] { return closing.load(); }, 20s));  // and reads nothing
          },
          {.time = 8s, .reading = false}),
      [&](Tunnel& tunnel) {
        tunnel.set("drain_timeout", "1").set("verify_interval", "0").forward(to_local(free_port(), talker.port()));
      });
  REQUIRE(scene.wait_for([](const Json& now) { return now["forwards"][0]["connections"] == 1; }));
  REQUIRE(scene.holdfast().command({"reconnect", "hostile"}).status == success);
  REQUIRE(scene.wait_for([](const Json& now) { return now["state"] == "closing"; }));
  closing = true;
  REQUIRE(flooded.wait_for_end());
  CHECK(flooded.sent() > 1000);
  scene.check_cost();
}
