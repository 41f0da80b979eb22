// Whoever is to read what the process says does not: the journal, standard error, systemd. Nothing waits for them.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstddef>
#include <cstring>
#include <string>

#include "scenario.hpp"
#include "support/http_unix.hpp"
#include "support/skip.hpp"
#include "support/temp_dir.hpp"

using namespace holdfast::test;

namespace {

/// A datagram socket that takes no more, until it is read.
class FullSocket {
 public:
  explicit FullSocket(const std::string& path) : reader_(make()), writer_(make()) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    REQUIRE(::bind(reader_, generic, sizeof address) == 0);
    REQUIRE(::connect(writer_, generic, sizeof address) == 0);
    while (::send(writer_, "full", 4, 0) > 0) {
    }
  }
  ~FullSocket() {
    ::close(reader_);
    ::close(writer_);
  }
  FullSocket(const FullSocket&) = delete;
  FullSocket& operator=(const FullSocket&) = delete;

  /// Everything that came so far.
  const std::string& read() {
    std::array<char, 8192> message{};
    for (ssize_t size = 0; (size = ::recv(reader_, message.data(), message.size(), 0)) > 0;) {
      text_.append(message.data(), static_cast<std::size_t>(size)).append("\n");
    }
    return text_;
  }

 private:
  static int make() { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

  int reader_;
  int writer_;
  std::string text_;
};

class FullPipe {
 public:
  explicit FullPipe(const std::string& path) {
    REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
    fd_ = ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(fd_ >= 0);
    while (::write(fd_, "full\n", 5) > 0) {
    }
  }
  ~FullPipe() { ::close(fd_); }
  FullPipe(const FullPipe&) = delete;
  FullPipe& operator=(const FullPipe&) = delete;

  const std::string& read() {
    std::array<char, 8192> piece{};
    for (ssize_t size = 0; (size = ::read(fd_, piece.data(), piece.size())) > 0;) {
      text_.append(piece.data(), static_cast<std::size_t>(size));
    }
    return text_;
  }

 private:
  int fd_ = -1;
  std::string text_;
};

bool reconnect(const Holdfast& holdfast) {
  return http_request(holdfast.control_path(), "POST", "/v1/tunnels/relay/reconnect").status == 202;
}

/// The tunnel comes back, serves visitors and tells how it is, however much there is to say.
void check_that_it_goes_on(const Holdfast& holdfast, std::uint16_t port) {
  REQUIRE(holdfast.wait_for_up());
  CHECK(echoes(port));
  const std::uint64_t before = holdfast.tunnel()["sessions_established"];
  REQUIRE(reconnect(holdfast));
  REQUIRE(
      holdfast.wait_for([&](const Json& tunnel) { return tunnel["sessions_established"] > before && tunnel["up"]; }));
  CHECK(echoes(port));
}

/// A configuration with many faults, a hundred of which become lines in the log each time that it is refused.
void say_too_much(const Holdfast& holdfast) {
  const std::string good = read_file(holdfast.config_path());
  std::string bad = good;
  for (int number = 0; number < 100; ++number) bad += "unknown_" + std::to_string(number) + ": 1\n";
  holdfast.write_config_text(bad);
  for (int times = 0; times < 6; ++times) {
    CHECK(http_request(holdfast.control_path(), "POST", "/v1/reload").status == 422);
  }
  holdfast.write_config_text(good);
  REQUIRE(holdfast.status()["log"]["dropped"] > 0);
}

/// What is dropped from now on was counted before.
std::string told_count(std::uint64_t dropped) {
  return std::to_string(dropped) + " lines were dropped here, while whoever reads the log took none";
}

}  // namespace

TEST_CASE("a journal that nobody reads stops nothing, and hears later how much it missed") {
  if (skipped_without_root()) return;
  const TempDir dir;
  FullSocket journal(dir / "socket");
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  const std::string script =
      "mount -t tmpfs none /run && mkdir -p /run/systemd/journal && mount --bind " + dir.path().string() +
      " /run/systemd/journal && export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) && exec \"$@\"";
  Holdfast holdfast({Tunnel::to(relay).forward(to_local(port, target.port()))}, {},
                    {"unshare", "-m", "sh", "-c", script, "sh"});
  check_that_it_goes_on(holdfast, port);
  say_too_much(holdfast);
  check_that_it_goes_on(holdfast, port);

  const std::uint64_t dropped = holdfast.status()["log"]["dropped"];
  CHECK(wait_until([&] { return journal.read().find("MESSAGE=" + told_count(dropped)) != std::string::npos; }));
  CHECK(journal.read().find("TUNNEL=relay") != std::string::npos);
}

TEST_CASE("standard error that nobody reads stops nothing, not even the end") {
  const TempDir dir;
  FullPipe pipe(dir / "stderr");
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast({Tunnel::to(relay).forward(to_local(port, target.port()))}, {},
                    {"sh", "-c", "exec \"$@\" 2>" + (dir / "stderr"), "sh"});
  check_that_it_goes_on(holdfast, port);
  say_too_much(holdfast);
  SUBCASE("and hears later how much it missed") {
    check_that_it_goes_on(holdfast, port);
    const std::uint64_t dropped = holdfast.status()["log"]["dropped"];
    CHECK(wait_until([&] { return pipe.read().find(told_count(dropped)) != std::string::npos; }));
    holdfast.signal(SIGTERM);
    REQUIRE(holdfast.wait() == success);
    CHECK(pipe.read().find(" stopping\n") != std::string::npos);
  }
  SUBCASE("while it is full") {
    holdfast.signal(SIGTERM);
    CHECK(holdfast.wait() == success);
    CHECK_FALSE(is_listening(port));
  }
}

TEST_CASE("a systemd that takes no notifications stops nothing, and gets the newest when it does") {
  const TempDir dir;
  FullSocket systemd(dir / "notify");
  const Sshd relay;
  const TargetServer target(echo());
  const std::uint16_t port = free_port();
  Holdfast holdfast({Tunnel::to(relay).forward(to_local(port, target.port()))},
                    {{"NOTIFY_SOCKET", dir / "notify"}, {"WATCHDOG_USEC", "200000"}});
  check_that_it_goes_on(holdfast, port);
  CHECK(wait_until([&] { return systemd.read().find("READY=1\n") != std::string::npos; }));
  CHECK(wait_until([&] { return systemd.read().find("STATUS=1 of 1 tunnel up\n") != std::string::npos; }));
  CHECK(wait_until([&] { return systemd.read().find("WATCHDOG=1\n") != std::string::npos; }));
}
