#include "traffic/content.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "support/pattern.hpp"

namespace holdfast::bench {
namespace {

constexpr std::size_t piece = 131072;

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

/// How many it was.
std::uint64_t send_content(test::Socket& socket, std::uint64_t bytes, const std::atomic<bool>& enough) {
  Content content;
  std::uint64_t sent = 0;
  while (sent < bytes && !enough) {
    const std::string_view data = content.next(static_cast<std::size_t>(std::min<std::uint64_t>(bytes - sent, piece)));
    socket.send(data);
    sent += data.size();
  }
  return sent;
}

/// To the end of the stream, or until `enough`: how many it was, or nothing if one was wrong.
std::optional<std::uint64_t> receive_content(test::Socket& socket, const std::atomic<bool>& enough) {
  Content content;
  std::vector<char> buffer(piece);
  std::uint64_t received = 0;
  while (!enough) {
    const ssize_t got = ::recv(socket.fd(), buffer.data(), buffer.size(), 0);
    if (got < 0) {
      throw std::system_error(errno, std::generic_category(), "after " + std::to_string(received) + " bytes");
    }
    const auto size = static_cast<std::size_t>(got);
    if (size == 0) {
      break;
    }
    if (!content.matches({buffer.data(), size})) {
      return {};
    }
    received += size;
  }
  return received;
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

std::string arrow(Way way) {
  return way == Way::from_device ? "device→relay" : "relay→device";
}

test::Conversation target() {
  (void)block();
  return [](test::Socket& socket) {
    socket.send(greeting);
    const std::string line = read_line(socket);
    const std::atomic<bool> never = false;
    if (line.rfind("send ", 0) == 0) {
      send_content(socket, std::stoull(line.substr(5)), never);
    } else if (line == "take") {
      const auto received = receive_content(socket, never);
      socket.send(received ? std::to_string(*received) : "wrong");
    } else if (line == "echo") {
      echo(socket);
    }
  };
}

std::uint64_t transfer(test::Socket& visitor, Way way, std::uint64_t bytes, const std::atomic<bool>& enough) {
  if (way == Way::from_device) {
    visitor.send("send " + std::to_string(bytes) + "\n");
    const auto received = receive_content(visitor, enough);
    if (!received || (*received != bytes && !enough)) {
      throw std::runtime_error("wrong content from the target");
    }
    return *received;
  }
  visitor.send("take\n");
  const std::uint64_t sent = send_content(visitor, bytes, enough);
  visitor.finish_sending();
  if (const std::string answer = visitor.receive_all(); answer != std::to_string(sent)) {
    throw std::runtime_error("the target got wrong content: " + answer + " instead of " + std::to_string(sent));
  }
  return sent;
}

void transfer(test::Socket& visitor, Way way, std::uint64_t bytes) {
  transfer(visitor, way, bytes, false);
}

}  // namespace holdfast::bench
