#include "ssh/descriptor.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace holdfast::ssh {
namespace {

std::optional<tcp_info> info_of(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  return info;
}

}  // namespace

int duplicate(int socket) {
  return ::fcntl(socket, F_DUPFD_CLOEXEC, 0);
}

void close_duplicate(int descriptor, int socket) {
  struct stat mine {};
  struct stat original {};
  if (descriptor < 0 || ::fstat(descriptor, &mine) != 0 || ::fstat(socket, &original) != 0) return;
  if (S_ISSOCK(mine.st_mode) && mine.st_dev == original.st_dev && mine.st_ino == original.st_ino) ::close(descriptor);
}

void set_nonblocking(int socket) {
  const int flags = ::fcntl(socket, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(socket, F_SETFL, flags | O_NONBLOCK);
}

std::chrono::microseconds repetition_wait(int socket) {
  const auto info = info_of(socket);
  return std::chrono::microseconds{info && info->tcpi_unacked > 0 ? info->tcpi_rto : 0};
}

std::chrono::microseconds round_trip(int socket) {
  const auto info = info_of(socket);
  return std::chrono::microseconds{info ? info->tcpi_rtt : 0};
}

std::optional<std::chrono::milliseconds> since_acknowledged(int socket) {
  const auto info = info_of(socket);
  if (!info) return std::nullopt;
  return std::chrono::milliseconds{info->tcpi_last_ack_recv};
}

void acknowledge_at_once(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
}

Cork::Cork(int socket) : socket_(socket) {
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
}

Cork::~Cork() {
  const int off = 0;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_CORK, &off, sizeof off);
}

void limit_unsent(int socket) {
  const int bytes = 128 * 1024;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

void let_the_fin_be_repeated(int socket) {
  const int never = 0;
  ::setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &never, sizeof never);
}

std::string peek_line(int socket) {
  char text[256];
  const ssize_t count = ::recv(socket, text, sizeof text, MSG_PEEK | MSG_DONTWAIT);
  if (count <= 0) return {};
  const std::string line{text, static_cast<std::size_t>(count)};
  return line.substr(0, line.find_first_of("\r\n"));
}

bool discard_input(int socket) {
  char waste[4096];
  // Bounded: who floods us while we leave is not listened to any longer.
  for (int i = 0; i < 256; ++i) {
    const ssize_t count = ::recv(socket, waste, sizeof waste, MSG_DONTWAIT);
    if (count > 0) continue;
    return count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
  }
  return true;
}

}  // namespace holdfast::ssh
