// Preloaded: a sandbox without AF_NETLINK (systemd's RestrictAddressFamilies=), for a test.
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

extern "C" int socket(int family, int type, int protocol) {
  if (family == AF_NETLINK) {
    errno = EAFNOSUPPORT;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_socket, family, type, protocol));
}
