#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "support/net.hpp"

namespace holdfast::test {

/// A TCP proxy on the loopback, in a thread: the bad network between a client and a relay.
class TcpProxy {
 public:
  enum Direction { to_server = 0, to_client = 1 };

  explicit TcpProxy(std::uint16_t server_port);
  ~TcpProxy();
  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::uint16_t port() const { return listener_.port(); }
  std::uint64_t bytes(Direction direction) const;  ///< passed on, all connections together
  /// How often data to the server was the first, or came after data to the client: each costs the client a round trip,
  /// or a half for the last. All connections together.
  std::size_t flights() const;
  std::size_t accepted() const;
  std::size_t open() const;

  /// A hole in the network: nothing is passed on, FIN and RST neither; new connections are accepted, and silent.
  void freeze();
  void thaw();
  /// freeze() as soon as one connection has passed on this many bytes in this direction, exactly.
  void freeze_after(Direction direction, std::uint64_t bytes);
  /// What goes in this direction waits until thaw(); let_through() passes on as much as waits at that moment.
  void hold(Direction direction);
  void let_through(Direction direction);
  /// Inverts the byte at this offset of what each connection that stands passes on from now on.
  void flip_byte(Direction direction, std::uint64_t offset);
  /// Ends all connections on both sides, with FIN or with RST.
  void cut(bool with_reset);
  /// The idle timeout of a load balancer: ends a connection through which nothing has passed for so long, with FIN.
  void close_idle_after(std::chrono::milliseconds silence);

 private:
  struct Pipe {
    std::string waiting;
    std::uint64_t passed = 0;
    std::size_t let_through = 0;  ///< of what waits, while it is held
    std::optional<std::uint64_t> flip_at;
    bool at_end = false;
    bool end_passed_on = false;
  };
  struct Connection {
    Socket client;
    Socket server;
    std::array<Pipe, 2> pipes;
    std::optional<Direction> last;  ///< what was passed on last
    std::chrono::steady_clock::time_point last_passed = std::chrono::steady_clock::now();
    bool broken = false;
  };

  void serve();
  void accept_one();
  void receive(Socket& from, Connection& connection, Direction direction);
  void pass_on(Socket& to, Connection& connection, Direction direction);
  void wake();
  /// How much of what waits may go.
  std::size_t due(const Pipe& pipe, Direction direction) const;

  std::uint16_t server_port_;
  Listener listener_;
  std::array<int, 2> wake_pipe_{};
  mutable std::mutex mutex_;  // guards all below
  std::list<Connection> connections_;
  std::array<std::uint64_t, 2> bytes_{};
  std::array<std::optional<std::uint64_t>, 2> freeze_at_{};
  std::array<bool, 2> held_{};
  std::optional<std::chrono::milliseconds> idle_limit_;
  std::size_t accepted_ = 0;
  std::size_t flights_ = 0;
  bool frozen_ = false;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace holdfast::test
