#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "support/net.hpp"

namespace holdfast::test {

/// What a target says and does on one connection. When it returns the connection is closed.
using Conversation = std::function<void(Socket&)>;

Conversation echo();                                   ///< sends back what comes, and its end
Conversation greet_then_echo(std::string greeting);    ///< speaks first, as SSH and SMTP do
Conversation sink();                                   ///< reads to the end, then says how many bytes there were
Conversation dead();                                   ///< never a word, not even an end: its device is gone
Conversation source(std::uint64_t seed, std::size_t);  ///< sends so many bytes of Pattern{seed}, then the end

/// A server with a thread for each connection. Its end shuts all of them down.
class TargetServer {
 public:
  explicit TargetServer(Conversation conversation, Listener listener = Listener::tcp());
  ~TargetServer();
  TargetServer(const TargetServer&) = delete;
  TargetServer& operator=(const TargetServer&) = delete;

  std::uint16_t port() const { return listener_.port(); }
  std::size_t accepted() const { return accepted_; }
  std::size_t open() const { return open_; }

 private:
  struct Talk {
    Socket socket;
    std::thread thread;
    bool over = false;
  };
  void serve();
  void talk(Talk& talk);
  void forget_those_that_are_over();

  Conversation conversation_;
  Listener listener_;
  std::atomic<bool> ending_ = false;
  std::atomic<std::size_t> accepted_ = 0;
  std::atomic<std::size_t> open_ = 0;
  std::mutex mutex_;
  std::list<Talk> talks_;  ///< under mutex_
  std::thread acceptor_;
};

}  // namespace holdfast::test
