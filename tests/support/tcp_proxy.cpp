#include "support/tcp_proxy.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>
#include <vector>

namespace holdfast::test {
namespace {

constexpr std::size_t buffer_limit = std::size_t{256} * 1024;

void make_nonblocking(const Socket& socket) {
  ::fcntl(socket.fd(), F_SETFL, ::fcntl(socket.fd(), F_GETFL) | O_NONBLOCK);
}

bool would_block() {
  return errno == EAGAIN || errno == EINTR;
}

}  // namespace

TcpProxy::TcpProxy(std::uint16_t server_port) : server_port_(server_port), listener_(Listener::tcp()) {
  if (::pipe2(wake_pipe_.data(), O_CLOEXEC | O_NONBLOCK) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  thread_ = std::thread([this] { serve(); });
}

TcpProxy::~TcpProxy() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake();
  thread_.join();
  ::close(wake_pipe_[0]);
  ::close(wake_pipe_[1]);
}

std::uint64_t TcpProxy::bytes(Direction direction) const {
  const std::lock_guard lock(mutex_);
  return bytes_[direction];
}

std::size_t TcpProxy::flights() const {
  const std::lock_guard lock(mutex_);
  return flights_;
}
std::size_t TcpProxy::accepted() const {
  const std::lock_guard lock(mutex_);
  return accepted_;
}

std::size_t TcpProxy::open() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

void TcpProxy::freeze() {
  const std::lock_guard lock(mutex_);
  frozen_ = true;
  wake();
}

void TcpProxy::thaw() {
  const std::lock_guard lock(mutex_);
  frozen_ = false;
  freeze_at_ = {};
  held_ = {};
  wake();
}

void TcpProxy::freeze_after(Direction direction, std::uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  freeze_at_[direction] = bytes;
}

void TcpProxy::hold(Direction direction) {
  const std::lock_guard lock(mutex_);
  held_[direction] = true;
}

void TcpProxy::let_through(Direction direction) {
  const std::lock_guard lock(mutex_);
  for (Connection& connection : connections_) {
    connection.pipes[direction].let_through = connection.pipes[direction].waiting.size();
  }
  wake();
}

void TcpProxy::flip_byte(Direction direction, std::uint64_t offset) {
  const std::lock_guard lock(mutex_);
  for (Connection& connection : connections_) {
    Pipe& pipe = connection.pipes[direction];
    pipe.flip_at = pipe.passed + offset;
  }
}

void TcpProxy::cut(bool with_reset) {
  const std::lock_guard lock(mutex_);
  for (Connection& connection : connections_) {
    if (with_reset) {
      connection.client.reset();
      connection.server.reset();
    }
  }
  connections_.clear();
  wake();
}

void TcpProxy::close_idle_after(std::chrono::milliseconds silence) {
  const std::lock_guard lock(mutex_);
  idle_limit_ = silence;
  wake();
}

void TcpProxy::wake() {
  [[maybe_unused]] const ssize_t sent = ::write(wake_pipe_[1], "", 1);
}

std::size_t TcpProxy::due(const Pipe& pipe, Direction direction) const {
  return held_[direction] ? pipe.let_through : pipe.waiting.size();
}

void TcpProxy::serve() {
  for (;;) {
    std::vector<pollfd> polled{{wake_pipe_[0], POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
    int timeout = -1;
    {
      const std::lock_guard lock(mutex_);
      if (idle_limit_ && !connections_.empty()) {
        timeout = 20;
      }
      if (ending_) {
        connections_.clear();
        return;
      }
      for (const Connection& connection : connections_) {
        if (frozen_) {
          break;
        }
        const auto& [up, down] = connection.pipes;
        const auto events = [](const Pipe& in, std::size_t due_out) {
          return static_cast<short>((in.waiting.size() < buffer_limit && !in.at_end ? POLLIN : 0) |
                                    (due_out > 0 ? POLLOUT : 0));
        };
        polled.push_back({connection.client.fd(), events(up, due(down, to_client)), 0});
        polled.push_back({connection.server.fd(), events(down, due(up, to_server)), 0});
      }
      // A socket whose other half is all done reports POLLHUP for ever: do not ask for it.
      for (pollfd& entry : polled) {
        if (entry.events == 0) {
          entry.fd = -1;
        }
      }
    }
    ::poll(polled.data(), polled.size(), timeout);
    char drop[64];
    while (::read(wake_pipe_[0], drop, sizeof drop) > 0) {
    }
    const std::lock_guard lock(mutex_);
    if ((polled[1].revents & POLLIN) != 0) {
      accept_one();
    }
    for (Connection& connection : connections_) {
      if (frozen_) {
        break;
      }
      receive(connection.client, connection, to_server);
      receive(connection.server, connection, to_client);
      pass_on(connection.server, connection, to_server);
      pass_on(connection.client, connection, to_client);
    }
    const auto now = std::chrono::steady_clock::now();
    connections_.remove_if([&](const Connection& connection) {
      const bool idle = idle_limit_ && now - connection.last_passed >= *idle_limit_;
      return connection.broken || idle || (connection.pipes[0].end_passed_on && connection.pipes[1].end_passed_on);
    });
  }
}

void TcpProxy::accept_one() {
  Connection connection;
  try {
    connection.client = listener_.accept(0ms);
    ++accepted_;
    connection.server = Socket::connect_tcp("127.0.0.1", server_port_);
  } catch (const std::exception&) {
    connection.client.reset();  // as a refused connection: the client can't tell it apart for long
    return;
  }
  make_nonblocking(connection.client);
  make_nonblocking(connection.server);
  connections_.push_back(std::move(connection));
}

void TcpProxy::receive(Socket& from, Connection& connection, Direction direction) {
  Pipe& pipe = connection.pipes[direction];
  if (pipe.at_end || pipe.waiting.size() >= buffer_limit) {
    return;
  }
  std::array<char, 65536> chunk{};
  const ssize_t got = ::recv(from.fd(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got > 0) {
    pipe.waiting.append(chunk.data(), static_cast<std::size_t>(got));
  } else if (got == 0) {
    pipe.at_end = true;
  } else if (!would_block()) {  // a reset is passed on as one
    connection.client.reset();
    connection.server.reset();
    connection.broken = true;
  }
}

void TcpProxy::pass_on(Socket& to, Connection& connection, Direction direction) {
  Pipe& pipe = connection.pipes[direction];
  if (connection.broken || frozen_) {
    return;
  }
  if (std::size_t count = due(pipe, direction); count > 0) {
    if (freeze_at_[direction]) {
      count = static_cast<std::size_t>(
          std::min<std::uint64_t>(count, *freeze_at_[direction] - std::min(pipe.passed, *freeze_at_[direction])));
    }
    std::string data = pipe.waiting.substr(0, count);
    if (const auto flip = pipe.flip_at; flip && *flip >= pipe.passed && *flip - pipe.passed < count) {
      char& byte = data[static_cast<std::size_t>(*flip - pipe.passed)];
      byte = static_cast<char>(~byte);
    }
    const ssize_t sent = data.empty() ? 0 : ::send(to.fd(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && !would_block()) {
      connection.client.reset();
      connection.server.reset();
      connection.broken = true;
      return;
    }
    if (sent > 0) {
      connection.last_passed = std::chrono::steady_clock::now();
      if (std::exchange(connection.last, direction) != direction && direction == to_server) ++flights_;
      pipe.waiting.erase(0, static_cast<std::size_t>(sent));
      pipe.let_through -= std::min(pipe.let_through, static_cast<std::size_t>(sent));
      pipe.passed += static_cast<std::uint64_t>(sent);
      bytes_[direction] += static_cast<std::uint64_t>(sent);
    }
  }
  frozen_ = freeze_at_[direction] && pipe.passed >= *freeze_at_[direction];
  if (pipe.at_end && pipe.waiting.empty() && !pipe.end_passed_on && !frozen_) {
    to.finish_sending();
    pipe.end_passed_on = true;
  }
}

}  // namespace holdfast::test
