#include "traffic/content.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "support/pattern.hpp"

namespace holdfast::bench {
namespace {

constexpr std::size_t piece = 262144;

const std::string& block() {
  static const std::string bytes = test::Pattern(1).next(8 * 1024 * 1024 + 4099);
  return bytes;
}

void echo(test::Socket& socket) {
  const int on = 1;
  ::setsockopt(socket.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (std::string data = socket.receive(); !data.empty(); data = socket.receive()) {
    socket.send(data);
  }
}

std::string read_line(test::Socket& socket) {
  std::string line;
  for (;;) {
    const std::string byte = socket.receive(1);
    if (byte.empty() || byte == "\n") {
      return line;
    }
    line += byte;
  }
}

}  // namespace

std::string_view Content::next(std::size_t limit) {
  const std::string_view found = std::string_view(block()).substr(at_, limit);
  at_ = (at_ + found.size()) % block().size();
  return found;
}

bool Content::matches(std::string_view data) {
  while (!data.empty()) {
    const std::string_view expected = next(data.size());
    if (data.substr(0, expected.size()) != expected) {
      return false;
    }
    data.remove_prefix(expected.size());
  }
  return true;
}

void send_content(test::Socket& socket, std::uint64_t bytes) {
  Content content;
  while (bytes > 0) {
    const std::string_view data = content.next(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, piece)));
    socket.send(data);
    bytes -= data.size();
  }
}

void receive_content(test::Socket& socket, std::uint64_t bytes, bool to_end) {
  Content content;
  std::vector<char> buffer(piece);
  std::uint64_t left = bytes;
  while (left > 0 || to_end) {
    const std::size_t room = to_end ? piece : static_cast<std::size_t>(std::min<std::uint64_t>(left, piece));
    const ssize_t got = ::recv(socket.fd(), buffer.data(), room, 0);
    if (got < 0) {
      throw std::system_error(errno, std::generic_category(), std::to_string(left) + " bytes before the end");
    }
    const auto size = static_cast<std::size_t>(got);
    if (size == 0 && left == 0) {
      return;
    }
    if (size == 0 || size > left || !content.matches({buffer.data(), size})) {
      throw std::runtime_error("wrong content " + std::to_string(left) + " bytes before the end of " +
                               std::to_string(bytes));
    }
    left -= size;
  }
}

test::Conversation target() {
  (void)block();
  return [](test::Socket& socket) {
    socket.send(greeting);
    const std::string line = read_line(socket);
    const std::uint64_t bytes = line.size() > 5 ? std::stoull(line.substr(5)) : 0;
    if (line.rfind("send ", 0) == 0) {
      send_content(socket, bytes);
    } else if (line.rfind("take ", 0) == 0) {
      receive_content(socket, bytes, false);
      socket.send("ok");
    } else if (line == "echo") {
      echo(socket);
    }
  };
}

void fetch(test::Socket& visitor, std::uint64_t bytes) {
  visitor.send("send " + std::to_string(bytes) + "\n");
  receive_content(visitor, bytes, true);
}

void deliver(test::Socket& visitor, std::uint64_t bytes) {
  visitor.send("take " + std::to_string(bytes) + "\n");
  send_content(visitor, bytes);
  if (visitor.receive_all() != "ok") {
    throw std::runtime_error("the target got wrong content");
  }
}

}  // namespace holdfast::bench
