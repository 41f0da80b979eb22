// How sessions end: what the relay hears of it, and what becomes of the descriptors.
#include <doctest/doctest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <optional>

#include "client.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

std::atomic<int> vain_closes{0};  ///< of what was not open: a moment later it could have been another's

}  // namespace

/// Takes the place of libc's for all that this program links, libssh among it.
extern "C" int close(int descriptor) {
  const auto result = static_cast<int>(::syscall(SYS_close, descriptor));
  if (result != 0 && errno == EBADF) ++vain_closes;
  return result;
}

namespace {

struct LoggedIn {
  LoggedIn() : proxy(sshd.port()), client(Client::spec_for(sshd, dir)) {
    client.spec.port = proxy.port();
    client.spec.strict_host_key_checking = StrictHostKeyChecking::no;
    REQUIRE(client.log_in());
    CHECK(descriptors_to(proxy.port()).size() == 2);
  }
  void wait_for_end() {
    CHECK(client.run_until([this] { return client.ended(); }));
  }

  TempDir dir;
  Sshd sshd;
  TcpProxy proxy;
  Client client;
};

}  // namespace

TEST_CASE("a session that is dropped says nothing to the relay") {
  LoggedIn relay;
  const std::uint64_t sent = relay.proxy.bytes(TcpProxy::to_server);
  relay.client.session.reset();
  CHECK(wait_until([&] { return relay.sshd.sessions().empty(); }));
  CHECK(relay.proxy.bytes(TcpProxy::to_server) == sent);
}

TEST_CASE("however a session ends, its descriptors are closed, and each once") {
  const int before = vain_closes;
  LoggedIn relay;
  Client& client = relay.client;
  SUBCASE("it is closed") {
    client.session->close();
    relay.wait_for_end();
  }
  SUBCASE("it is dropped") {
    client.session.reset();
  }
  SUBCASE("its socket is handed out") {
    const auto socket = client.session->release_socket();
    client.session.reset();
    REQUIRE(socket.has_value());
    CHECK(descriptors_to(relay.proxy.port()).size() == 1);
  }
  SUBCASE("the relay closes the connection") {
    // A session may just be handing over to another process of its own.
    CHECK(wait_until([&] {
      relay.sshd.kill_sessions();
      return relay.sshd.sessions().empty();
    }));
    relay.wait_for_end();
  }
  SUBCASE("the connection is reset") {
    relay.proxy.cut(true);
    relay.wait_for_end();
  }
  SUBCASE("a packet was changed on its way") {
    relay.proxy.flip_byte(TcpProxy::to_client, 20);
    client.session->send_keepalive();
    relay.wait_for_end();
  }
  CHECK(descriptors_to(relay.proxy.port()).empty());
  CHECK(vain_closes == before);
}

TEST_CASE("a relay's DISCONNECT closes the descriptors, and each once") {
  const int before = vain_closes;
  const TempDir dir;
  const Sshd sshd{{.config = {"MaxAuthTries 1"}, .authorized_keys = std::vector<std::string>{}}};
  Client client{Client::spec_for(sshd, dir)};
  client.open();
  CHECK(client.wait_for_failure().cause == Cause::authentication_refused);
  CHECK(descriptors_to(sshd.port()).empty());
  CHECK(vain_closes == before);
}
