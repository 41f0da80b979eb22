// The fixtures must be what they claim to be, or the tests built on them prove nothing.
#include <doctest/doctest.h>

#include <csignal>
#include <exception>
#include <filesystem>
#include <map>
#include <string>

#include "support/dropbear.hpp"
#include "support/http_unix.hpp"
#include "support/net.hpp"
#include "support/pattern.hpp"
#include "support/process.hpp"
#include "support/sshd.hpp"
#include "support/targets.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

using namespace holdfast::test;

TEST_CASE("a process hands over its output and its exit status") {
  const Finished finished = run({{"sh", "-c", "cat; echo $HOLDFAST_X >&2; exit 3"}, {{"HOLDFAST_X", "env"}}, "input"});
  CHECK(finished.status == ExitStatus{3, 0});
  CHECK(finished.output == "input");
  CHECK(finished.errors == "env\n");
}

TEST_CASE("a process tree takes along what ran away into a session of its own") {
  pid_t runaway = 0;
  {
    ProcessTree tree({{"sh", "-c", "setsid sh -c 'sleep 1000; true' & wait"}});
    REQUIRE(wait_until([&] { return tree.descendants().size() == 2; }));
    ::kill(tree.root(), SIGKILL);
    REQUIRE(wait_until([&] { return !tree.root_running(); }));
    REQUIRE(tree.descendants().size() == 2);
    runaway = tree.descendants().front();
  }
  CHECK(::kill(runaway, 0) != 0);
}

TEST_CASE("a free port is not listened on, and a listener is seen without touching it") {
  const std::uint16_t port = free_port();
  CHECK_FALSE(is_listening(port));
  Listener listener = Listener::tcp(port);
  CHECK(is_listening(port));
  CHECK_THROWS(listener.accept(0ms));
}

TEST_CASE("a refusing port refuses") {
  const RefusingPort port;
  CHECK_THROWS(Socket::connect_tcp("127.0.0.1", port.port()));
}

TEST_CASE("a pattern is the same in pieces of any size") {
  Pattern whole(7);
  Pattern pieces(7);
  const std::string expected = whole.next(1000);
  std::string joined;
  for (std::size_t size = 0; joined.size() + size <= expected.size(); ++size) {
    joined += pieces.next(size);
  }
  CHECK(expected.substr(0, joined.size()) == joined);
  CHECK_FALSE(Pattern(8).matches(expected));
}

TEST_CASE("targets echo, greet, sink and source, on Unix sockets too") {
  const TempDir dir;
  const TargetServer greeter(greet_then_echo("hello\n"), Listener::unix_socket(dir / "socket"));
  Socket socket = Socket::connect_unix(dir / "socket");
  CHECK(socket.receive_until("\n") == "hello\n");
  socket.send("again");
  socket.finish_sending();
  CHECK(socket.receive_all() == "again");

  const TargetServer counter(sink());
  Socket feed = Socket::connect_tcp("127.0.0.1", counter.port());
  feed.send("12345");
  feed.finish_sending();
  CHECK(feed.receive_all() == "5");

  const TargetServer spring(source(3, 100000));
  CHECK(Socket::connect_tcp("127.0.0.1", spring.port()).receive_all() == Pattern(3).next(100000));
}

TEST_CASE("an unprivileged sshd lets a key in and gives it a shell under the account's name") {
  Sshd sshd;
  const std::map<KeyType, std::string> keys{
      {KeyType::ed25519, "ED25519"}, {KeyType::ecdsa, "ECDSA"}, {KeyType::rsa, "RSA"}};
  for (const auto& [type, name] : keys) {
    const auto ssh = sshd.ssh_command({"-i", client_key(type)}, "echo $USER; pwd");
    CHECK(run_checked({ssh}) == sshd.user() + "\n" + sshd.account().home() + "\n");
    CHECK(sshd.log_has("ssh2: " + name + " SHA256:"));
  }
  sshd.account().set_locked(true);
  CHECK(run({sshd.ssh_command({}, "true")}).status.code == 255);
  CHECK(sshd.log_has("account is locked"));
}

TEST_CASE("an sshd can be frozen, killed by parts and started again on its port") {
  Sshd sshd;
  const std::uint16_t relay_port = free_port();
  Process ssh({sshd.ssh_command({"-N", "-R", std::to_string(relay_port) + ":localhost:1"})});
  REQUIRE(wait_until([&] { return is_listening(relay_port); }));
  CHECK(sshd.sessions().size() == 2);
  sshd.freeze();
  Socket silent = Socket::connect_tcp(sshd.host(), sshd.port(), 200ms);
  CHECK_THROWS(silent.receive());
  sshd.thaw();
  CHECK(silent.receive_until("\n").rfind("SSH-2.0-", 0) == 0);
  sshd.kill_listener();
  CHECK_FALSE(is_listening(sshd.port()));
  CHECK(is_listening(relay_port));
  sshd.kill_sessions();
  CHECK(wait_until([&] { return !is_listening(relay_port); }));
  CHECK(ssh.wait());
  sshd.restart();
  CHECK(is_listening(sshd.port()));
}

TEST_CASE("two sshds run at once, with host keys of different sets") {
  SshdOptions options;
  options.host_key_set = 1;
  options.ipv6 = true;
  Sshd other(options);
  Sshd sshd;
  CHECK(sshd.port() != other.port());
  CHECK(sshd.known_hosts() != other.known_hosts());
  CHECK_NOTHROW(run_checked({other.ssh_command({}, "true")}));
}

TEST_CASE("a certificate signed by the authority is accepted, and the key alone is not") {
  SshdOptions options;
  options.authorized_keys = {"cert-authority " + public_key(ca_key())};
  Sshd sshd(options);
  const std::string certificate = sign_certificate(client_key(KeyType::ecdsa), sshd.user());
  const auto login = [&](std::vector<std::string> more) {
    more.insert(more.end(), {"-i", client_key(KeyType::ecdsa)});
    return run({sshd.ssh_command(std::move(more), "true")}).status.code;
  };
  CHECK(login({"-o", "CertificateFile=" + certificate}) == 0);
  std::filesystem::remove(certificate);
  CHECK(login({}) == 255);
}

TEST_CASE("an unprivileged Dropbear forwards") {
  Dropbear dropbear;
  const TempDir dir;
  write_file(dir / "known_hosts", dropbear.known_hosts());
  const std::uint16_t relay_port = free_port();
  Process ssh({{"ssh", "-F", "none", "-N", "-o", "UserKnownHostsFile=" + dir / "known_hosts", "-o", "BatchMode=yes",
                "-i", client_key(), "-p", std::to_string(dropbear.port()), "-R",
                std::to_string(relay_port) + ":localhost:1", dropbear.user() + "@" + dropbear.host()}});
  CHECK(wait_until([&] { return is_listening(relay_port); }));
  INFO(ssh.errors() << dropbear.log());
  CHECK(ssh.running());
}

TEST_CASE("a proxy counts, flips, freezes, holds and cuts") {
  const TargetServer target(echo());
  TcpProxy proxy(target.port());
  Socket socket = Socket::connect_tcp("127.0.0.1", proxy.port());
  socket.send("hello");
  CHECK(socket.receive_exactly(5) == "hello");
  CHECK(proxy.bytes(TcpProxy::to_server) == 5);
  CHECK(wait_until([&] { return proxy.bytes(TcpProxy::to_client) == 5; }));

  proxy.flip_byte(TcpProxy::to_client, 1);
  socket.send("aaa");
  CHECK(socket.receive_exactly(3) ==
        "a\x9e"
        "a");

  proxy.freeze_after(TcpProxy::to_client, 10);
  socket.send("bbbb");
  CHECK(socket.receive_exactly(2) == "bb");
  socket.set_timeout(200ms);
  CHECK_THROWS(socket.receive());
  proxy.thaw();
  socket.set_timeout(10s);
  CHECK(socket.receive_exactly(2) == "bb");

  proxy.hold(TcpProxy::to_server);
  socket.send("cc");
  socket.set_timeout(200ms);
  CHECK_THROWS(socket.receive());
  proxy.let_through(TcpProxy::to_server);
  socket.set_timeout(10s);
  CHECK(socket.receive_exactly(2) == "cc");

  proxy.cut(true);
  CHECK(socket.closed_by_peer());
  CHECK(wait_until([&] { return target.open() == 0; }));
}

TEST_CASE("a half-close goes through the proxy") {
  const TargetServer target(sink());
  const TcpProxy proxy(target.port());
  Socket socket = Socket::connect_tcp("127.0.0.1", proxy.port());
  socket.send("123");
  socket.finish_sending();
  CHECK(socket.receive_all() == "3");
}

TEST_CASE("an HTTP request on a Unix socket") {
  const TempDir dir;
  const TargetServer server(
      [](Socket& socket) {
        CHECK(socket.receive_until("\r\n\r\n").rfind("GET /x HTTP/1.1\r\n", 0) == 0);
        socket.send("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nbody");
      },
      Listener::unix_socket(dir / "socket"));
  const HttpResponse response = http_request(dir / "socket", "GET", "/x");
  CHECK(response.status == 404);
  CHECK(response.body == "body");
}
