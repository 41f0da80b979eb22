#include "support/delay_proxy.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace holdfast::test {
namespace {

void send_at_once(const Socket& socket) {
  const int on = 1;
  ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

}  // namespace

DelayProxy::DelayProxy(std::uint16_t server_port, std::chrono::milliseconds delay)
    : server_port_(server_port), delay_(delay), listener_(Listener::tcp()) {
  if (::pipe2(end_pipe_.data(), O_CLOEXEC) != 0) {
    throw std::system_error(errno, std::generic_category(), "pipe2");
  }
  thread_ = std::thread([this] { serve(); });
}

DelayProxy::~DelayProxy() {
  ::close(end_pipe_[1]);
  thread_.join();
  ::close(end_pipe_[0]);
}

void DelayProxy::serve() {
  for (;;) {
    const Clock::time_point now = Clock::now();
    std::optional<Clock::time_point> next;
    std::vector<pollfd> polled{{end_pipe_[0], POLLIN, 0}, {listener_.fd(), POLLIN, 0}};
    const auto ask_for = [&](int fd, const Pipe& in, const Pipe& out) {
      short events = in.at_end ? 0 : POLLIN;
      if (!out.under_way.empty()) {
        const Clock::time_point due = out.under_way.front().due;
        events = static_cast<short>(events | (due <= now ? POLLOUT : 0));
        next = due <= now ? next : std::min(next.value_or(due), due);
      }
      // A socket whose other half is all done reports POLLHUP for ever: do not ask for it.
      polled.push_back({events == 0 ? -1 : fd, events, 0});
    };
    for (const Connection& connection : connections_) {
      ask_for(connection.client.fd(), connection.pipes[0], connection.pipes[1]);
      ask_for(connection.server.fd(), connection.pipes[1], connection.pipes[0]);
    }
    timespec wait{};
    if (next) {
      const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(*next - now).count();
      wait = {left / 1'000'000'000, left % 1'000'000'000};
    }
    ::ppoll(polled.data(), polled.size(), next ? &wait : nullptr, nullptr);
    if (polled[0].revents != 0) {
      return;
    }
    const Clock::time_point woken = Clock::now();
    for (Connection& connection : connections_) {
      auto& [up, down] = connection.pipes;
      receive(connection.client, connection, up);
      receive(connection.server, connection, down);
      pass_on(connection.server, connection, up, woken);
      pass_on(connection.client, connection, down, woken);
    }
    connections_.remove_if([](const Connection& connection) {
      return connection.broken || (connection.pipes[0].end_passed_on && connection.pipes[1].end_passed_on);
    });
    if ((polled[1].revents & POLLIN) != 0) {
      accept_one();
    }
  }
}

void DelayProxy::accept_one() {
  Connection connection;
  try {
    connection.client = listener_.accept(0ms);
    connection.server = Socket::connect_tcp("127.0.0.1", server_port_);
  } catch (const std::exception&) {
    connection.client.reset();  // as a refused connection: the client can't tell it apart for long
    return;
  }
  send_at_once(connection.client);
  send_at_once(connection.server);
  connections_.push_back(std::move(connection));
}

void DelayProxy::receive(const Socket& from, Connection& connection, Pipe& pipe) const {
  std::array<char, 65536> chunk{};
  for (int turn = 0; turn < 16 && !pipe.at_end; ++turn) {  // the others want one too
    const ssize_t got = ::recv(from.fd(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (got < 0) {
      connection.broken = connection.broken || (errno != EAGAIN && errno != EINTR);
      return;
    }
    pipe.at_end = got == 0;
    pipe.under_way.push_back({Clock::now() + delay_, {chunk.data(), static_cast<std::size_t>(got)}});
  }
}

void DelayProxy::pass_on(Socket& to, Connection& connection, Pipe& pipe, Clock::time_point now) {
  while (!connection.broken && !pipe.under_way.empty() && pipe.under_way.front().due <= now) {
    const std::string& data = pipe.under_way.front().data;
    if (data.empty()) {
      to.finish_sending();
      pipe.end_passed_on = true;
    } else {
      const ssize_t sent =
          ::send(to.fd(), data.data() + pipe.sent, data.size() - pipe.sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent < 0) {
        connection.broken = errno != EAGAIN && errno != EINTR;
        return;
      }
      pipe.sent += static_cast<std::size_t>(sent);
      if (pipe.sent < data.size()) {
        return;
      }
    }
    pipe.sent = 0;
    pipe.under_way.pop_front();
  }
}

}  // namespace holdfast::test
