#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <thread>

#include "support/net.hpp"

namespace holdfast::test {

/// A TCP proxy on the loopback, in a thread, whose bytes come out `delay` after they went in, both ways and in any
/// number: a long way, not a narrow one. A FIN is delayed likewise. To connect takes no time, unlike in a network.
class DelayProxy {
 public:
  DelayProxy(std::uint16_t server_port, std::chrono::milliseconds delay);
  ~DelayProxy();
  DelayProxy(const DelayProxy&) = delete;
  DelayProxy& operator=(const DelayProxy&) = delete;

  std::uint16_t port() const { return listener_.port(); }

 private:
  using Clock = std::chrono::steady_clock;
  struct Piece {
    Clock::time_point due;
    std::string data;  ///< empty: the end
  };
  struct Pipe {
    std::deque<Piece> under_way;
    std::size_t sent = 0;  ///< of the first piece
    bool at_end = false;
    bool end_passed_on = false;
  };
  struct Connection {
    Socket client;
    Socket server;
    std::array<Pipe, 2> pipes;
    bool broken = false;
  };

  void serve();
  void accept_one();
  void receive(const Socket& from, Connection& connection, Pipe& pipe) const;
  static void pass_on(Socket& to, Connection& connection, Pipe& pipe, Clock::time_point now);

  std::uint16_t server_port_;
  std::chrono::milliseconds delay_;
  Listener listener_;
  std::list<Connection> connections_;
  std::array<int, 2> end_pipe_{};
  std::thread thread_;
};

}  // namespace holdfast::test
