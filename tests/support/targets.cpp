#include "support/targets.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>

#include "support/pattern.hpp"

namespace holdfast::test {

Conversation echo() {
  return greet_then_echo("");
}

Conversation greet_then_echo(std::string greeting) {
  return [greeting = std::move(greeting)](Socket& socket) {
    socket.send(greeting);
    for (std::string data = socket.receive(); !data.empty(); data = socket.receive()) {
      socket.send(data);
    }
  };
}

Conversation sink() {
  return [](Socket& socket) {
    std::size_t total = 0;
    for (std::string data = socket.receive(); !data.empty(); data = socket.receive()) {
      total += data.size();
    }
    socket.send(std::to_string(total));
  };
}

Conversation dead() {
  return [](Socket& socket) {
    pollfd hung_up{socket.fd(), 0, 0};  // by both sides, ours by the server's end
    while (::poll(&hung_up, 1, -1) < 0 && errno == EINTR) {
    }
  };
}

Conversation source(std::uint64_t seed, std::size_t count) {
  return [seed, count](Socket& socket) {
    Pattern pattern(seed);
    for (std::size_t left = count; left > 0;) {
      const std::size_t piece = std::min<std::size_t>(left, 65536);
      socket.send(pattern.next(piece));
      left -= piece;
    }
  };
}

TargetServer::TargetServer(Conversation conversation, Listener listener)
    : conversation_(std::move(conversation)), listener_(std::move(listener)), acceptor_([this] { serve(); }) {}

TargetServer::~TargetServer() {
  ending_ = true;
  ::shutdown(listener_.fd(), SHUT_RDWR);  // wakes the acceptor
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const Talk& talk : talks_) {
      ::shutdown(talk.socket.fd(), SHUT_RDWR);
    }
  }
  for (Talk& talk : talks_) {
    talk.thread.join();
  }
}

void TargetServer::serve() {
  while (!ending_) {
    Socket socket;
    try {
      socket = listener_.accept(1h);
    } catch (const std::exception&) {
      continue;
    }
    socket.set_timeout(120s);
    ++accepted_;
    ++open_;
    const std::lock_guard lock(mutex_);
    forget_those_that_are_over();
    Talk& next = talks_.emplace_back();
    next.socket = std::move(socket);
    next.thread = std::thread([this, &next] { talk(next); });
  }
}

void TargetServer::talk(Talk& talk) {
  try {
    conversation_(talk.socket);
  } catch (const std::exception&) {  // the caller went away: what many tests do on purpose
  }
  const std::lock_guard lock(mutex_);
  talk.socket.close();
  talk.over = true;
  --open_;
}

void TargetServer::forget_those_that_are_over() {
  talks_.remove_if([](Talk& talk) {
    if (talk.over) {
      talk.thread.join();
    }
    return talk.over;
  });
}

}  // namespace holdfast::test
