#include <doctest/doctest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <string>
#include <vector>

#include "integration/forward/forwarding_session.hpp"
#include "support/pattern.hpp"
#include "support/skip.hpp"
#include "support/targets.hpp"

using namespace holdfast;
using namespace holdfast::test;

namespace {

/// The soft limit, raised as far as it goes.
std::size_t most_descriptors() {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  return limit.rlim_cur;
}

/// One of many that send a content of their own, and want it back.
class Visitor {
 public:
  Visitor(std::uint16_t port, std::uint64_t seed, std::size_t size)
      : socket_(Socket::connect_tcp("127.0.0.1", port, 60s)), sent_(seed), expected_(seed), left_(size), due_(size) {}

  bool done() const { return due_ == 0 || !right_; }
  bool right() const { return right_; }

  pollfd entry() const {
    const int events = (left_ > 0 ? POLLOUT : 0) | POLLIN;
    return {done() ? -1 : socket_.fd(), static_cast<short>(events), 0};
  }
  void serve(short events) {
    if ((events & POLLOUT) != 0) send_some();
    if ((events & ~POLLOUT) != 0) receive_some();
  }

 private:
  void send_some() {
    if (piece_.empty()) piece_ = sent_.next(std::min<std::size_t>(left_, 16384));
    const ssize_t count = ::send(socket_.fd(), piece_.data(), piece_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count <= 0) return;
    left_ -= static_cast<std::size_t>(count);
    piece_.erase(0, static_cast<std::size_t>(count));
  }
  void receive_some() {
    const std::string data = socket_.receive();
    right_ = !data.empty() && data.size() <= due_ && expected_.matches(data);
    if (right_) due_ -= data.size();
  }

  Socket socket_;
  Pattern sent_;
  Pattern expected_;
  std::string piece_;
  std::size_t left_;
  std::size_t due_;
  bool right_ = true;
};

/// Serves them all; false if nothing moves for a minute before they are done.
bool serve(std::vector<Visitor>& visitors) {
  while (!std::all_of(visitors.begin(), visitors.end(), [](const Visitor& visitor) { return visitor.done(); })) {
    std::vector<pollfd> entries;
    entries.reserve(visitors.size());
    for (const Visitor& visitor : visitors) entries.push_back(visitor.entry());
    if (::poll(entries.data(), entries.size(), 60'000) <= 0) return false;
    for (std::size_t i = 0; i < visitors.size(); ++i)
      if (entries[i].revents != 0) visitors[i].serve(entries[i].revents);
  }
  return true;
}

}  // namespace

TEST_CASE("a thousand connections at once each get their own bytes back, and the next one is refused") {
  constexpr std::size_t count = 1000;
  // sshd takes from all of them before it writes, and copies what it holds with each packet that it adds: four times as
  // much took it a minute on a slow machine.
  constexpr std::size_t size = 8192;
  // Visitor, target and holdfast's own end are all in this process.
  constexpr std::size_t needed = 3 * count + 200;
  if (const std::size_t most = most_descriptors(); most < needed) {
    skipped("it needs " + std::to_string(needed) + " descriptors, and RLIMIT_NOFILE allows " + std::to_string(most));
    return;
  }
  Sshd relay;
  TargetServer echoing(echo());
  ForwardingSession tunnel(relay, {TcpTarget{"127.0.0.1", echoing.port()}});
  std::vector<Visitor> visitors;
  while (visitors.size() < count) {
    // Not more than sshd's queue takes: who comes when it is full tries again only after a second.
    for (int i = 0; i < 100; ++i) visitors.emplace_back(tunnel.port(), visitors.size(), size);
    REQUIRE(wait_until([&] { return tunnel.counters().open == visitors.size(); }, 60s));
  }
  CHECK(Socket::connect_tcp("127.0.0.1", tunnel.port()).closed_by_peer());

  CHECK(serve(visitors));
  CHECK(std::all_of(visitors.begin(), visitors.end(), [](const Visitor& visitor) { return visitor.right(); }));
  CHECK(echoing.open() == count);
  visitors.clear();
  CHECK(wait_until([&] { return tunnel.counters().open == 0; }, 60s));
  CHECK_FALSE(tunnel.session_failed());
}
