#include "worker/datagram.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <string>

#include "support/temp_dir.hpp"

using namespace holdfast;

namespace {

/// As journald's and systemd's: takes datagrams, one at a time.
class Receiver {
 public:
  /// `path` empty: an abstract name of the kernel's.
  explicit Receiver(const std::string& path = "")
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    path.copy(address.sun_path, path.size());
    socklen_t size = path.empty() ? sizeof address.sun_family : sizeof address;
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    size = sizeof address;
    REQUIRE(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    if (path.empty())
      address_ = "@" + std::string(address.sun_path + 1, size - offsetof(sockaddr_un, sun_path) - 1);
    else
      address_ = path;
  }
  ~Receiver() { ::close(fd_); }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  const std::string& address() const { return address_; }
  std::string next() const {
    std::array<char, 65536> buffer{};
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    return size > 0 ? std::string(buffer.data(), static_cast<std::size_t>(size)) : "";
  }

 private:
  int fd_;
  std::string address_;
};

}  // namespace

TEST_CASE("a datagram reaches a path and an abstract name") {
  const test::TempDir dir;
  for (const std::string& path : {dir / "socket", std::string{}}) {
    const Receiver receiver(path);
    CHECK(send_datagram(receiver.address(), "READY=1"));
    CHECK(receiver.next() == "READY=1");
  }
}

TEST_CASE("as much as the longest line of the log, with all its fields, is one datagram") {
  const Receiver receiver;
  const std::string entry(16384, 'x');
  CHECK(send_datagram(receiver.address(), entry));
  CHECK(receiver.next() == entry);
}

TEST_CASE("a datagram to nobody is not sent") {
  CHECK_FALSE(send_datagram("", "READY=1"));
  CHECK_FALSE(send_datagram("/nobody/listens/here", "READY=1"));
  CHECK_FALSE(send_datagram("/" + std::string(200, 'x'), "READY=1"));
}
