#include "service/service.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "integration/net/loop.hpp"

using namespace holdfast::service;
using holdfast::test::run_until;
namespace asio = boost::asio;

namespace {

/// What systemd listens on: a datagram socket, here an abstract one (unix(7)) that the kernel names.
class NotifySocket {
 public:
  NotifySocket() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address.sun_family) == 0);
    socklen_t size = sizeof address;
    REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    const std::size_t length = size - offsetof(sockaddr_un, sun_path);
    const std::string name = "@" + std::string(address.sun_path + 1, length - 1);
    ::setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~NotifySocket() {
    flush(std::chrono::seconds{10});
    ::unsetenv("NOTIFY_SOCKET");
    ::close(fd_);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  /// The next message; empty when there is none.
  std::string next() {
    REQUIRE(flush(std::chrono::seconds{10}));
    std::array<char, 4096> buffer{};
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    return size > 0 ? std::string(buffer.data(), static_cast<std::size_t>(size)) : "";
  }

 private:
  int fd_;
};

class WatchdogEnvironment {
 public:
  explicit WatchdogEnvironment(const char* usec) { ::setenv("WATCHDOG_USEC", usec, 1); }
  ~WatchdogEnvironment() { ::unsetenv("WATCHDOG_USEC"); }
  WatchdogEnvironment(const WatchdogEnvironment&) = delete;
  WatchdogEnvironment& operator=(const WatchdogEnvironment&) = delete;
};

}  // namespace

TEST_CASE("systemd is told what the process does") {
  NotifySocket systemd;
  notify_ready();
  CHECK(systemd.next() == "READY=1");
  notify_stopping();
  CHECK(systemd.next() == "STOPPING=1");
  notify_status("2 of 3 tunnels up");
  CHECK(systemd.next() == "STATUS=2 of 3 tunnels up");
}

TEST_CASE("a line break in a status can't smuggle in another assignment") {
  NotifySocket systemd;
  notify_status("relay says\nSTOPPING=1\x1b[31m");
  CHECK(systemd.next() == "STATUS=relay says STOPPING=1 [31m");
}

TEST_CASE("a reload carries the monotonic time in microseconds") {
  const auto now = [] {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1'000'000LL + time.tv_nsec / 1000;
  };
  NotifySocket systemd;
  const long long before = now();
  notify_reloading();
  const long long after = now();
  const std::string message = systemd.next();
  const std::string prefix = "RELOADING=1\nMONOTONIC_USEC=";
  REQUIRE(message.starts_with(prefix));
  const long long stamp = std::stoll(message.substr(prefix.size()));
  CHECK(stamp >= before);
  CHECK(stamp <= after);
}

TEST_CASE("without systemd notifications go nowhere") {
  ::unsetenv("NOTIFY_SOCKET");
  notify_ready();
  asio::io_context loop;
  const Watchdog watchdog(loop.get_executor());
  CHECK(loop.run() == 0);
}

TEST_CASE("the loop feeds the watchdog at half of its time") {
  NotifySocket systemd;
  const WatchdogEnvironment environment("200000");
  asio::io_context loop;
  const auto start = std::chrono::steady_clock::now();
  const Watchdog watchdog(loop.get_executor());
  int fed = 0;
  REQUIRE(run_until(loop, [&] {
    while (systemd.next() == "WATCHDOG=1") ++fed;
    return fed == 4;
  }));
  const auto elapsed = std::chrono::steady_clock::now() - start;
  CHECK(elapsed >= std::chrono::milliseconds{300});
}

TEST_CASE("a watchdog that is told that all is not well is not fed, until it is well again") {
  NotifySocket systemd;
  const WatchdogEnvironment environment("2000");
  asio::io_context loop;
  int asked = 0;
  const Watchdog watchdog(loop.get_executor(), [&] { return ++asked > 10; });
  REQUIRE(run_until(loop, [&] { return asked == 10; }));
  CHECK(systemd.next().empty());
  REQUIRE(run_until(loop, [&] { return asked > 10; }));
  CHECK(systemd.next() == "WATCHDOG=1");
}

TEST_CASE("a loop that does not run feeds nothing") {
  NotifySocket systemd;
  const WatchdogEnvironment environment("2000");
  asio::io_context loop;
  const Watchdog watchdog(loop.get_executor());
  CHECK(systemd.next() == "WATCHDOG=1");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds{20};
  while (std::chrono::steady_clock::now() < deadline) CHECK(systemd.next().empty());
}

TEST_CASE("a watchdog that is another process's, or has no time, is not fed") {
  NotifySocket systemd;
  asio::io_context loop;
  for (const auto& [usec, pid] : {std::pair{"2000", "1"}, std::pair{"0", ""}, std::pair{"soon", ""}}) {
    const WatchdogEnvironment environment(usec);
    if (*pid != '\0') ::setenv("WATCHDOG_PID", pid, 1);
    { const Watchdog watchdog(loop.get_executor()); }
    ::unsetenv("WATCHDOG_PID");
    CHECK(systemd.next().empty());
  }
}

TEST_CASE("a destroyed watchdog leaves nothing in the loop") {
  NotifySocket systemd;
  const WatchdogEnvironment environment("60000000");
  asio::io_context loop;
  { const Watchdog watchdog(loop.get_executor()); }
  loop.run();
  CHECK(systemd.next() == "WATCHDOG=1");
  CHECK(systemd.next().empty());
}

TEST_CASE("the first signal to end stops, each further one stops now") {
  asio::io_context loop;
  std::vector<std::string> calls;
  const Signals signals(loop.get_executor(), {.stop = [&] { calls.emplace_back("stop"); },
                                              .stop_now = [&] { calls.emplace_back("stop_now"); },
                                              .reload = [&] { calls.emplace_back("reload"); }});
  const auto after = [&](int signal) {
    const std::size_t before = calls.size();
    ::raise(signal);
    REQUIRE(run_until(loop, [&] { return calls.size() > before; }));
    return calls.back();
  };
  CHECK(after(SIGHUP) == "reload");
  CHECK(after(SIGTERM) == "stop");
  CHECK(after(SIGHUP) == "reload");
  CHECK(after(SIGINT) == "stop_now");
  CHECK(after(SIGTERM) == "stop_now");
}

TEST_CASE("a handler may destroy the signals, and a broken pipe ends nobody") {
  asio::io_context loop;
  std::unique_ptr<Signals> signals;
  bool stopped = false;
  signals = std::make_unique<Signals>(loop.get_executor(), SignalHandlers{.stop =
                                                                              [&] {
                                                                                signals.reset();
                                                                                stopped = true;
                                                                              },
                                                                          .stop_now = [] {},
                                                                          .reload = [] {}});
  ::raise(SIGPIPE);
  ::raise(SIGTERM);
  REQUIRE(run_until(loop, [&] { return stopped; }));
  loop.run();
}
