#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "support/wait.hpp"

namespace holdfast::test {

/// A port that was free on 127.0.0.1, and ::1 if there is one, a moment ago, outside the range that the kernel takes
/// ports for outgoing connections from. Never the same twice in one process.
std::uint16_t free_port();

/// Can ::1 be bound? Not where the kernel has no IPv6, nor in many containers.
bool has_ipv6();

/// Does any process of this machine listen on this TCP port? Looks in /proc/net, so nobody is disturbed.
bool is_listening(std::uint16_t port);

/// A blocking stream socket whose every call ends within `timeout`. A timeout or an error throws std::system_error.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int fd, std::chrono::milliseconds timeout = 10s);
  ~Socket();
  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;

  /// `host` is an IPv4 or IPv6 literal.
  static Socket connect_tcp(const std::string& host, std::uint16_t port, std::chrono::milliseconds timeout = 10s);
  static Socket connect_unix(const std::string& path, std::chrono::milliseconds timeout = 10s);

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void set_timeout(std::chrono::milliseconds timeout);

  void send(std::string_view data);  ///< all of it
  /// What is there, at most `limit` bytes; waits for the first. Empty at the end of the stream.
  std::string receive(std::size_t limit = 65536);
  std::string receive_exactly(std::size_t count);      ///< less at the end of the stream
  std::string receive_until(std::string_view marker);  ///< marker included; less at the end of the stream
  std::string receive_all();                           ///< until the end of the stream
  /// True once the other side has closed or reset, whatever came before; false if it has not within `limit`.
  bool closed_by_peer(std::chrono::milliseconds limit = 10s);

  void finish_sending();  ///< half-close
  void close();
  void reset();  ///< RST instead of FIN

 private:
  int fd_ = -1;
};

/// A listening socket on 127.0.0.1, ::1 or a Unix path.
class Listener {
 public:
  static Listener tcp(std::uint16_t port = 0, bool ipv6 = false);  ///< port 0: any
  static Listener tcp_everywhere(std::uint16_t port);              ///< on each IPv4 address
  static Listener unix_socket(const std::string& path);
  ~Listener();
  Listener(Listener&& other) noexcept;
  Listener& operator=(Listener&&) = delete;

  int fd() const { return fd_; }
  std::uint16_t port() const { return port_; }
  Socket accept(std::chrono::milliseconds limit = 10s);  ///< throws when nobody comes

 private:
  Listener(int fd, std::uint16_t port) : fd_(fd), port_(port) {}
  int fd_ = -1;
  std::uint16_t port_ = 0;
};

/// Takes a port of the relay as a plain server there would, on every address that "localhost" means to sshd: it grants
/// a forward that it could bind on one of them only.
struct TakenPort {
  explicit TakenPort(std::uint16_t port) : v4(Listener::tcp(port)) {
    if (has_ipv6()) v6.emplace(Listener::tcp(port, true));
  }
  Listener v4;
  std::optional<Listener> v6;
};

/// Holds a port of 127.0.0.1 without listening: connections to it are refused, and nobody else gets it.
class RefusingPort {
 public:
  RefusingPort();
  ~RefusingPort();
  RefusingPort(const RefusingPort&) = delete;
  RefusingPort& operator=(const RefusingPort&) = delete;
  std::uint16_t port() const { return port_; }

 private:
  int fd_ = -1;
  std::uint16_t port_ = 0;
};

}  // namespace holdfast::test
