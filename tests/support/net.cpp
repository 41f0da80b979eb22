#include "support/net.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <random>
#include <set>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace holdfast::test {
namespace {

[[noreturn]] void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const { return storage.ss_family; }
};

Address tcp_address(const std::string& host, std::uint16_t port) {
  Address address;
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    address.size = sizeof v4;
    std::memcpy(&address.storage, &v4, sizeof v4);
  } else if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    address.size = sizeof v6;
    std::memcpy(&address.storage, &v6, sizeof v6);
  } else {
    throw std::invalid_argument("not an address: " + host);
  }
  return address;
}

Address unix_address(const std::string& path) {
  Address address;
  sockaddr_un name{};
  if (path.size() >= sizeof name.sun_path) {
    throw std::invalid_argument("too long for a socket: " + path);
  }
  name.sun_family = AF_UNIX;
  std::memcpy(name.sun_path, path.c_str(), path.size() + 1);
  address.size = sizeof name;
  std::memcpy(&address.storage, &name, sizeof name);
  return address;
}

int open_socket(const Address& address) {
  const int fd = ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    throw_errno("socket");
  }
  return fd;
}

bool can_bind(const Address& address) {
  const int fd = open_socket(address);
  const bool bound = ::bind(fd, address.get(), address.size) == 0;
  ::close(fd);
  return bound;
}

std::uint16_t local_port(int fd) {
  Address address;
  address.size = sizeof address.storage;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address.storage), &address.size);
  in_port_t port = 0;
  if (address.family() == AF_INET) {
    port = reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port;
  } else if (address.family() == AF_INET6) {
    port = reinterpret_cast<const sockaddr_in6*>(&address.storage)->sin6_port;
  }
  return ntohs(port);
}

int bind_socket(const Address& address) {
  const int fd = open_socket(address);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, address.get(), address.size) != 0) {
    ::close(fd);
    throw_errno("bind");
  }
  return fd;
}

int listen_on(const Address& address) {
  const int fd = bind_socket(address);
  if (::listen(fd, 1024) != 0) {
    ::close(fd);
    throw_errno("listen");
  }
  return fd;
}

/// connect(2) honours the send timeout that the Socket sets (socket(7)).
Socket connect_to(const Address& address, std::chrono::milliseconds timeout, const std::string& what) {
  Socket socket(open_socket(address), timeout);
  if (::connect(socket.fd(), address.get(), address.size) != 0) {
    throw_errno("connect to " + what);
  }
  return socket;
}

bool table_has_listener(const char* table, std::uint16_t port) {
  std::ifstream file(table);
  std::array<char, 16> wanted{};
  std::snprintf(wanted.data(), wanted.size(), ":%04X ", static_cast<unsigned>(port));
  for (std::string line; std::getline(file, line);) {
    std::array<char, 80> local{};
    std::array<char, 80> remote{};
    unsigned state = 0;
    constexpr unsigned listening = 0x0A;
    if (std::sscanf(line.c_str(), " %*d: %79s %79s %x", local.data(), remote.data(), &state) == 3 &&
        state == listening && (std::string(local.data()) + " ").find(wanted.data()) != std::string::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::uint16_t free_port() {
  static std::mutex mutex;
  static std::mt19937 random{std::random_device{}()};
  static std::set<int> given;
  const std::lock_guard lock(mutex);
  std::uniform_int_distribution<int> ports(10000, 32000);
  for (int tries = 0; tries < 1000; ++tries) {
    const int port = ports(random);
    const auto number = static_cast<std::uint16_t>(port);
    if (given.insert(port).second && can_bind(tcp_address("127.0.0.1", number)) &&
        (!has_ipv6() || can_bind(tcp_address("::1", number)))) {
      return number;
    }
  }
  throw std::runtime_error("no free port");
}

bool has_ipv6() {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const Address loopback = tcp_address("::1", 0);
  const bool bound = fd >= 0 && ::bind(fd, loopback.get(), loopback.size) == 0;
  ::close(fd);
  return bound;
}

bool is_listening(std::uint16_t port) {
  return table_has_listener("/proc/net/tcp", port) || table_has_listener("/proc/net/tcp6", port);
}

Socket::Socket(int fd, std::chrono::milliseconds timeout) : fd_(fd) {
  set_timeout(timeout);
}

Socket::~Socket() {
  close();
}

Socket::Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

Socket Socket::connect_tcp(const std::string& host, std::uint16_t port, std::chrono::milliseconds timeout) {
  Socket socket = connect_to(tcp_address(host, port), timeout, host + " port " + std::to_string(port));
  const int on = 1;
  ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return socket;
}

Socket Socket::connect_unix(const std::string& path, std::chrono::milliseconds timeout) {
  return connect_to(unix_address(path), timeout, path);
}

void Socket::set_timeout(std::chrono::milliseconds timeout) {
  timeval value{};
  value.tv_sec = static_cast<time_t>(timeout.count() / 1000);
  value.tv_usec = static_cast<suseconds_t>(timeout.count() % 1000 * 1000);
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof value);
  ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
}

void Socket::send(std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = ::send(fd_, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) {
      continue;
    }
    if (sent < 0) {
      throw_errno("send");
    }
    data.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::string Socket::receive(std::size_t limit) {
  std::string data(limit, '\0');
  ssize_t got = 0;
  do {
    got = ::recv(fd_, data.data(), data.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    throw_errno("receive");
  }
  data.resize(static_cast<std::size_t>(got));
  return data;
}

std::string Socket::receive_exactly(std::size_t count) {
  std::string data;
  while (data.size() < count) {
    const std::string more = receive(count - data.size());
    if (more.empty()) {
      break;
    }
    data += more;
  }
  return data;
}

std::string Socket::receive_until(std::string_view marker) {
  std::string data;
  while (data.find(marker) == std::string::npos) {
    const std::string more = receive(1);
    if (more.empty()) {
      break;
    }
    data += more;
  }
  return data;
}

std::string Socket::receive_all() {
  std::string data;
  for (std::string more = receive(); !more.empty(); more = receive()) {
    data += more;
  }
  return data;
}

bool Socket::closed_by_peer(std::chrono::milliseconds limit) {
  return wait_until(
      [this] {
        std::array<char, 65536> drop{};
        const ssize_t got = ::recv(fd_, drop.data(), drop.size(), MSG_DONTWAIT);
        return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
      },
      limit);
}

void Socket::finish_sending() {
  ::shutdown(fd_, SHUT_WR);
}

void Socket::close() {
  if (fd_ >= 0) {
    ::close(std::exchange(fd_, -1));
  }
}

void Socket::reset() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

Listener Listener::tcp(std::uint16_t port, bool ipv6) {
  const int fd = listen_on(tcp_address(ipv6 ? "::1" : "127.0.0.1", port));
  return {fd, local_port(fd)};
}

Listener Listener::tcp_everywhere(std::uint16_t port) {
  const int fd = listen_on(tcp_address("0.0.0.0", port));
  return {fd, local_port(fd)};
}

Listener Listener::unix_socket(const std::string& path) {
  return {listen_on(unix_address(path)), 0};
}

Listener::Listener(Listener&& other) noexcept : fd_(std::exchange(other.fd_, -1)), port_(other.port_) {}

Listener::~Listener() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

Socket Listener::accept(std::chrono::milliseconds limit) {
  pollfd ready{fd_, POLLIN, 0};
  if (::poll(&ready, 1, static_cast<int>(limit.count())) != 1) {
    errno = ETIMEDOUT;
    throw_errno("accept");
  }
  const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) {
    throw_errno("accept");
  }
  return Socket(fd);
}

RefusingPort::RefusingPort() : fd_(bind_socket(tcp_address("127.0.0.1", 0))), port_(local_port(fd_)) {}

RefusingPort::~RefusingPort() {
  ::close(fd_);
}

}  // namespace holdfast::test
