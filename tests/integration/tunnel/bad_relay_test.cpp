// The relay is not trusted: what it may do to us costs a deadline, a line in the log, and no more.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "scenario.hpp"
#include "support/pattern.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast::test;

namespace {

constexpr const char* banner = "SSH-2.0-OpenSSH_9.2p1 Test\r\n";

Tunnel to_port(std::uint16_t relay_port) {
  Tunnel tunnel = Tunnel::to("127.0.0.1", relay_port, "tunnel", "");
  tunnel.set("strict_host_key_checking", "accept-new").set("connect_timeout", "1");
  return tunnel.forward(to_local(free_port(), 1));
}

/// A target that echoes, and remembers what reached it.
class Taken {
 public:
  Conversation conversation() {
    return [this](Socket& socket) {
      for (std::string data = socket.receive(); !data.empty(); data = socket.receive()) {
        {
          const std::lock_guard lock(mutex_);
          text_ += data;
        }
        socket.send(data);
      }
    };
  }
  std::string text() const {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  mutable std::mutex mutex_;
  std::string text_;
};

/// Waits until the other side goes away, whatever it sends.
void listen_to(Socket& socket) {
  while (!socket.receive().empty()) {
  }
}

long resident_kilobytes(pid_t pid) {
  const std::string status = read_file("/proc/" + std::to_string(pid) + "/status");
  return std::atol(status.c_str() + status.find("VmRSS:") + 6);
}

/// Fails like this on one attempt after the other, in no more than a deadline each, and still stops when told to.
void check_failure(Holdfast& holdfast, const std::vector<std::string>& causes) {
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"].get<int>() >= 2; }, "relay", 5000ms + slack));
  const Json error = holdfast.tunnel()["last_error"];
  REQUIRE_FALSE(error.is_null());
  const std::string cause = error["cause"];
  CHECK_MESSAGE(std::find(causes.begin(), causes.end(), cause) != causes.end(), error.dump());
  CHECK(error["remedy"] != "");
  CHECK(holdfast.tunnel()["sessions_established"] == 0);
  const Stopwatch watch;
  holdfast.signal(SIGTERM);
  CHECK(holdfast.wait() == success);
  CHECK(watch.elapsed() < slack);
}

}  // namespace

TEST_CASE("what does not speak SSH is said not to") {
  std::string speech;
  SUBCASE("HTTP") {
    speech = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
  }
  SUBCASE("SSH 1") {
    speech = "SSH-1.5-1.2.27\r\n";
  }
  SUBCASE("SMTP") {
    speech = "220 mail.example ESMTP\r\n";
  }
  SUBCASE("zeros") {
    speech = std::string(1000, '\0');
  }
  SUBCASE("a line without an end") {
    speech = std::string(100000, 'x');
  }
  const TargetServer relay([&](Socket& socket) {
    socket.send(speech);
    socket.finish_sending();
    listen_to(socket);
  });
  Holdfast holdfast(to_port(relay.port()));
  check_failure(holdfast, {"protocol_mismatch"});
}

TEST_CASE("a relay that hangs up during the key exchange") {
  std::string speech;
  SUBCASE("without a word") {}
  SUBCASE("after its banner") {
    speech = banner;
  }
  SUBCASE("in its banner") {
    speech = "SSH-2.";
  }
  const TargetServer relay([&](Socket& socket) { socket.send(speech); });
  Holdfast holdfast(to_port(relay.port()));
  check_failure(holdfast, {"connection_lost", "key_exchange_failed", "protocol_mismatch"});
}

TEST_CASE("a relay that says nonsense after its banner") {
  std::string speech;
  SUBCASE("random bytes") {
    speech = Pattern(1).next(100000);
  }
  SUBCASE("a packet of four gigabytes") {
    speech = std::string("\xff\xff\xff\xff", 4) + std::string(1000, 'x');
  }
  SUBCASE("a packet of no length") {
    speech = std::string(1000, '\0');
  }
  SUBCASE("a KEXINIT that is cut short") {
    speech = std::string("\0\0\0\x0c\x0a\x14", 6) + std::string(10, 'x');
  }
  SUBCASE("text") {
    speech = "hello, is this a terminal?\r\n";
  }
  const TargetServer relay([&](Socket& socket) {
    socket.send(banner + speech);
    listen_to(socket);
  });
  Holdfast holdfast(to_port(relay.port()));
  check_failure(holdfast, {"key_exchange_failed", "integrity_failed", "protocol_mismatch", "phase_timed_out"});
}

TEST_CASE("a relay that stalls costs its deadline in each phase, and the error names the phase") {
  std::string operation;
  std::optional<TargetServer> fake;
  std::optional<Sshd> real;
  std::optional<TcpProxy> network;
  std::uint16_t port = 0;
  SUBCASE("after the connect") {
    operation = "read the banner of";
    fake.emplace(listen_to);
  }
  SUBCASE("after its banner") {
    operation = "exchange keys with";
    fake.emplace([](Socket& socket) {
      socket.send(banner);
      listen_to(socket);
    });
  }
  SUBCASE("in its banner") {
    operation = "read the banner of";
    fake.emplace([](Socket& socket) {
      socket.send("SSH-2.0-Open");
      listen_to(socket);
    });
  }
  SUBCASE("in the key exchange") {
    operation = "exchange keys with";
    real.emplace();
    network.emplace(real->port());
    network->freeze_after(TcpProxy::to_client, 300);
  }
  SUBCASE("in the authentication") {
    operation = "authenticate to";
    SshdOptions options;
    options.config = {"AuthorizedKeysCommand /usr/bin/sleep 60", "AuthorizedKeysCommandUser tunnel"};
    options.authorized_keys = std::vector<std::string>{};
    real.emplace(options);
  }
  port = fake ? fake->port() : network ? network->port() : real->port();
  Holdfast holdfast(to_port(port));
  const Stopwatch watch;
  REQUIRE(holdfast.wait_for_failure("phase_timed_out"));
  CHECK(watch.elapsed() > 800ms);
  CHECK(watch.elapsed() < 1000ms + slack);
  const Json error = holdfast.tunnel()["last_error"];
  CHECK_MESSAGE(error["operation"] == operation, error.dump());
  CHECK(error["remedy"] != "");
}

TEST_CASE("a relay that never answers the request for a listener costs its deadline") {
  SshdOptions options;
  options.config = {"MaxSessions 0"};
  const Sshd relay(options);
  TcpProxy network(relay.port());
  std::uint64_t all = 0;
  const Tunnel tunnel = to_port(network.port()).set("verify_interval", "0");  // a proof would be counted as well
  {
    const Holdfast good(tunnel);
    REQUIRE(good.wait_for_up());
    REQUIRE(wait_until([&] { return good.log().find("no lease on the relay") != std::string::npos; }));
    all = network.bytes(TcpProxy::to_client);
  }
  // The last packets were the answer to the request and the refusal of a channel, less than 100 bytes together; the one
  // before, far greater, announced the host keys.
  network.freeze_after(TcpProxy::to_client, all - 150);
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for_failure("phase_timed_out"));
  CHECK(holdfast.tunnel()["last_error"]["operation"] == "listen on relay");
}

TEST_CASE("a relay that nobody lets us reach: refused, and no answer at all") {
  SUBCASE("refused") {
    const RefusingPort relay;
    Holdfast holdfast(to_port(relay.port()));
    check_failure(holdfast, {"connection_refused"});
  }
  SUBCASE("no answer: its queue is full, so the kernel drops our SYN") {
    Listener relay = Listener::tcp();
    REQUIRE(::listen(relay.fd(), 0) == 0);
    const Socket first = Socket::connect_tcp("127.0.0.1", relay.port());
    Holdfast holdfast(to_port(relay.port()));
    check_failure(holdfast, {"connection_timed_out"});
  }
}

TEST_CASE("a relay that floods instead of speaking SSH costs no memory") {
  const auto flood = [](const std::string& start, const std::string& again) {
    return [=](Socket& socket) {
      socket.send(start);
      for (;;) {
        socket.send(again);
      }
    };
  };
  std::optional<TargetServer> relay;
  SUBCASE("lines before the banner") {
    relay.emplace(flood("", "hello\r\n"));
  }
  SUBCASE("one line") {
    relay.emplace(flood("", std::string(65536, 'x')));
  }
  SUBCASE("random bytes after the banner") {
    relay.emplace(flood(banner, Pattern(3).next(65536)));
  }
  SUBCASE("SSH_MSG_IGNORE during the key exchange") {
    relay.emplace(flood(banner, std::string("\0\0\0\x0c\x06\x02\0\0\0\0\x01\x01\x01\x01\x01\x01", 16)));
  }
  Holdfast holdfast(to_port(relay->port()));
  REQUIRE(holdfast.wait_for([](const Json& now) { return now["attempt"].get<int>() >= 2; }, "relay", 5000ms + slack));
  CHECK(holdfast.tunnel()["last_error"]["remedy"] != "");
  if (!sanitized) {  // their allocator keeps what was freed
    CHECK(resident_kilobytes(holdfast.pid()) < 40'000);
  }
}

TEST_CASE("a byte that was changed on the way ends the session, and never reaches anyone") {
  const Sshd relay;
  Taken taken;
  const TargetServer target(taken.conversation());
  const std::uint16_t port = free_port();
  TcpProxy network(relay.port());
  Tunnel tunnel = to_port(network.port());
  tunnel.forward(to_local(port, target.port()));
  tunnel.set("connect_timeout", "5");
  SUBCASE("the default") {}
  SUBCASE("aes128-gcm") {
    tunnel.set("ciphers", "aes128-gcm@openssh.com");
  }
  SUBCASE("chacha20-poly1305") {
    tunnel.set("ciphers", "chacha20-poly1305@openssh.com");
  }
  SUBCASE("aes256-ctr") {
    tunnel.set("ciphers", "aes256-ctr");
  }
  const Holdfast holdfast(tunnel);
  REQUIRE(holdfast.wait_for_up());
  Socket caller = Socket::connect_tcp("127.0.0.1", port);
  caller.send("x");
  REQUIRE(caller.receive_exactly(1) == "x");
  // Deep in the one big packet that comes next, past its length and its head.
  network.flip_byte(TcpProxy::to_client, 3000);
  const std::string sent = "x" + Pattern(9).next(8000);
  caller.send(sent.substr(1));
  CHECK(holdfast.wait_for([](const Json& now) { return now["sessions_established"].get<int>() >= 2; }));
  CHECK(holdfast.cause() == "integrity_failed");
  const std::string arrived = taken.text();
  CHECK(sent.rfind(arrived, 0) == 0);
  CHECK(arrived.size() < sent.size());
}
