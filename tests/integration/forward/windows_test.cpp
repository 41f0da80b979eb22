#include <doctest/doctest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <string>
#include <vector>

#include "integration/forward/forwarding_session.hpp"
#include "ssh/receive_window.hpp"
#include "support/delay_proxy.hpp"
#include "support/pattern.hpp"
#include "support/tcp_proxy.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

constexpr std::size_t mebibyte = std::size_t{1024} * 1024;
const bool fixed_window = !ssh::windows_can_be_raised();
const std::size_t stock_window = fixed_window ? ssh::FixedWindow::size : ssh::ReceiveWindow::stock;
/// What else is on the way: a Unix socket's buffer, holdfast's own, and packets' headers.
constexpr std::size_t other_buffers = mebibyte;

/// A tunnel over a round trip of 100 ms, whose bytes are counted; new keys after each 4 MiB, to and fro. The target is
/// a Unix socket, because the buffer of that does not grow.
struct LongWay {
  explicit LongWay(std::size_t max_buffer)
      : tunnel(relay, {UnixTarget{dir / "target"}}, [&](TunnelSpec& spec) {
          spec.port = proxy.port();
          spec.strict_host_key_checking = StrictHostKeyChecking::accept_new;  // it is known by another port
          spec.max_buffer = max_buffer;
          spec.rekey_limit.bytes = 4 * mebibyte;
        }) {
    visitor = Socket::connect_tcp("127.0.0.1", tunnel.port(), 120s);
    target = listener.accept();
    target.set_timeout(120s);
  }

  std::size_t rekeys() const {
    std::size_t count = 0;
    const std::string log = relay.log();
    for (std::size_t at = 0; (at = log.find("SSH2_MSG_NEWKEYS received", at)) != std::string::npos; ++at) ++count;
    return count;
  }

  TempDir dir;
  Sshd relay{{.config = {"LogLevel DEBUG1"}}};
  DelayProxy delay{relay.port(), 50ms};
  TcpProxy proxy{delay.port()};
  Listener listener = Listener::unix_socket(dir / "target");
  ForwardingSession tunnel;
  Socket visitor;
  Socket target;
};

void send_pattern(Socket& socket, Pattern& pattern, std::size_t count) {
  for (std::size_t done = 0; done < count; done += 65536) socket.send(pattern.next(65536));
}

bool receive_pattern(Socket& socket, Pattern& pattern, std::size_t count) {
  bool right = true;
  while (count > 0) {
    const std::string data = socket.receive(std::min<std::size_t>(count, 65536));
    if (data.empty()) return false;
    right = right && pattern.matches(data);
    count -= data.size();
  }
  return right;
}

/// Sends until a second passes in which nobody takes any more; how many bytes it was.
std::size_t fill(const Socket& socket, Pattern& pattern) {
  std::size_t total = 0;
  std::string piece;
  for (pollfd entry{socket.fd(), POLLOUT, 0}; ::poll(&entry, 1, 1000) > 0;) {
    if (piece.empty()) piece = pattern.next(65536);
    const ssize_t sent = ::send(socket.fd(), piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent <= 0) continue;
    total += static_cast<std::size_t>(sent);
    piece.erase(0, static_cast<std::size_t>(sent));
  }
  return total;
}

/// Transfers in both directions at once, with contents checked, and then a target that reads nothing for a while. How
/// much came over the wire for it meanwhile, which is what it was granted.
std::size_t granted_after_transfers(LongWay& way) {
  constexpr std::size_t size = 32 * mebibyte;
  Pattern to_target(1);
  Pattern at_target(1);
  Pattern to_visitor(2);
  Pattern at_visitor(2);
  auto up = std::async(std::launch::async, [&] { send_pattern(way.target, to_visitor, size); });
  auto down = std::async(std::launch::async, [&] { send_pattern(way.visitor, to_target, size); });
  auto upper = std::async(std::launch::async, [&] { return receive_pattern(way.visitor, at_visitor, size); });
  CHECK(receive_pattern(way.target, at_target, size));
  CHECK(upper.get());
  up.get();
  down.get();
  CHECK(way.rekeys() >= size / (4 * mebibyte));

  const std::uint64_t before = way.proxy.bytes(TcpProxy::to_client);
  const std::size_t sent = fill(way.visitor, to_target);
  const std::uint64_t granted = way.proxy.bytes(TcpProxy::to_client) - before;
  CHECK(sent > granted);
  CHECK(receive_pattern(way.target, at_target, sent));
  CHECK_FALSE(way.tunnel.session_failed());
  return granted;
}

}  // namespace

TEST_CASE("over a long way the window grows well beyond libssh's, and all arrives as it was sent across rekeys" *
          doctest::skip(fixed_window)) {
  LongWay way(64 * mebibyte);
  CHECK(granted_after_transfers(way) > 3 * stock_window);
}

// Each round trip is made by hand: grants wait until nothing comes any more, so that a slow machine counts the same.
TEST_CASE("the relay may send a fixed window's whole size in each round trip" * doctest::skip(!fixed_window)) {
  constexpr std::size_t round_trips = 8;
  constexpr std::size_t size = 32 * mebibyte;
  constexpr std::size_t odd = 50'001;  // so that no packet ends at half the window by chance
  const Sshd relay;
  TcpProxy proxy(relay.port());
  const TempDir dir;
  Listener listener = Listener::unix_socket(dir / "target");
  const ForwardingSession tunnel(relay, {UnixTarget{dir / "target"}}, [&](TunnelSpec& spec) {
    spec.port = proxy.port();
    spec.strict_host_key_checking = StrictHostKeyChecking::accept_new;  // it is known by another port
  });
  Socket visitor = Socket::connect_tcp("127.0.0.1", tunnel.port(), 120s);
  Socket target = listener.accept();
  target.set_timeout(120s);
  Pattern at_visitor(1);
  Pattern at_target(1);
  visitor.send(at_visitor.next(odd));
  REQUIRE(receive_pattern(target, at_target, odd));
  proxy.hold(TcpProxy::to_server);
  auto sent = std::async(std::launch::async, [&] { send_pattern(visitor, at_visitor, size); });
  auto arrived = std::async(std::launch::async, [&] { return receive_pattern(target, at_target, size); });

  const auto all_that_comes = [&] {
    std::uint64_t bytes = 0;
    do bytes = proxy.bytes(TcpProxy::to_client);
    while (!holds_for([&] { return proxy.bytes(TcpProxy::to_client) == bytes; }, 300ms));
    return bytes;
  };
  std::vector<std::uint64_t> came;
  for (std::uint64_t before = all_that_comes(); came.size() < round_trips;) {
    proxy.let_through(TcpProxy::to_server);
    const std::uint64_t now = all_that_comes();
    came.push_back(now - before);
    before = now;
  }
  std::sort(came.begin(), came.end());
  CHECK(came[round_trips / 4] >= ssh::FixedWindow::size);

  proxy.thaw();
  CHECK(arrived.get());
  CHECK_FALSE(tunnel.session_failed());
}

TEST_CASE("where max_buffer leaves no room for a larger window it stays libssh's") {
  LongWay way(8 * mebibyte);
  const std::size_t granted = granted_after_transfers(way);
  CHECK(granted > stock_window / 2);
  CHECK(granted < stock_window + other_buffers);
}
