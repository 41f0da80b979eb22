#pragma once

#include <fcntl.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace holdfast::net {

/// eventfd(2), by which a thread wakes the loop.
class EventFd {
 public:
  EventFd() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "eventfd");
  }
  ~EventFd() { ::close(fd_); }
  EventFd(const EventFd&) = delete;
  EventFd& operator=(const EventFd&) = delete;

  int duplicate() const { return ::fcntl(fd_, F_DUPFD_CLOEXEC, 0); }
  void signal() { static_cast<void>(::eventfd_write(fd_, 1)); }
  void clear() {
    eventfd_t count = 0;
    static_cast<void>(::eventfd_read(fd_, &count));
  }

 private:
  int fd_;
};

}  // namespace holdfast::net
