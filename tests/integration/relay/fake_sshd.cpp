// What lease.sh sees of an sshd: a process of that name which holds a listener, has a command as its child, and whose
// end closes both. Usage: sshd NAME PORT COMMAND [ARGUMENT...]; port 0: no listener.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

void listen_at(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 5) != 0) {
    std::perror("listen");
    std::exit(1);
  }
}

/// False at the end of the stream.
bool copy(int from, int to) {
  std::array<char, 65536> bytes{};
  const ssize_t count = ::read(from, bytes.data(), bytes.size());
  return count > 0 && ::write(to, bytes.data(), static_cast<std::size_t>(count)) == count;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  ::prctl(PR_SET_NAME, argv[1]);
  ::prctl(PR_SET_DUMPABLE, 0);  // as a process that gave up root has it: most of its /proc directory is closed
  if (const int port = std::atoi(argv[2]); port != 0) listen_at(port);

  std::array<int, 2> in{};
  std::array<int, 2> out{};
  if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) return 2;
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(in[0], 0);
    ::dup2(out[1], 1);
    ::execvp(argv[3], argv + 3);
    ::_exit(127);
  }
  ::close(in[0]);
  ::close(out[1]);
  ::signal(SIGPIPE, SIG_IGN);

  std::array<pollfd, 2> ends{{{0, POLLIN, 0}, {out[0], POLLIN, 0}}};
  for (;;) {
    if (::poll(ends.data(), ends.size(), -1) < 0) continue;
    if (ends[0].revents != 0 && !copy(0, in[1])) {
      ::close(in[1]);
      ends[0].fd = -1;
    }
    if (ends[1].revents != 0 && !copy(out[0], 1)) break;
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
