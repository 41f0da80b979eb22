#include "status/kept_socket.hpp"

#include <sys/inotify.h>
#include <unistd.h>

#include <utility>

namespace holdfast::status {

using boost::system::error_code;

KeptSocket::KeptSocket(const boost::asio::any_io_executor& executor, StatusSocketSpec spec, Role role, Source& source,
                       Tell tell, const Limits& limits, const SocketWaits& waits)
    : executor_(executor),
      spec_(std::move(spec)),
      role_(role),
      source_(source),
      tell_(std::move(tell)),
      limits_(limits),
      waits_(waits),
      again_(executor),
      watch_(executor) {}

void KeptSocket::open() {
  server_.reset();  // and with it the lock
  auto server = Server::listen(executor_, spec_, role_, source_, limits_);
  if (server) {
    server_.emplace(std::move(*server));
  } else if (server.error() != told_) {
    tell_(LogLevel::error, server.error() + "; trying again, the tunnels go on without");
  }
  told_ = server ? "" : server.error();
  watch();
  look_after(server_ ? waits_.between_looks : waits_.between_tries);
}

/// The kernel tells when the file goes. (IN_DELETE_SELF would only come with the end of our socket, which keeps the
/// inode: what comes is IN_ATTRIB, for one link less.)
void KeptSocket::watch() {
  error_code error;
  watch_.close(error);
  const int descriptor = server_ ? ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC) : -1;
  if (descriptor < 0) return;
  watch_.assign(descriptor, error);
  if (error) {
    ::close(descriptor);
    return;
  }
  // The watch is made anew for each event, which saves reading them. If there can be none, the timer has to do.
  ::inotify_add_watch(descriptor, path_of(spec_, role_).c_str(), IN_ATTRIB | IN_MOVE_SELF);
  watch_.async_wait(boost::asio::posix::descriptor_base::wait_read, lifetime_.guard([this](error_code failed) {
    if (!failed) look_after(waits_.after_an_event);
  }));
}

void KeptSocket::look_after(Duration wait) {
  again_.expires_after(wait);
  again_.async_wait(lifetime_.guard([this](error_code failed) {
    if (!failed) look();
  }));
}

void KeptSocket::look() {
  if (server_ && server_->in_place()) {
    watch();
    return look_after(waits_.between_looks);
  }
  if (server_) tell_(LogLevel::info, "socket " + path_of(spec_, role_) + " was removed; making it again");
  open();
}

}  // namespace holdfast::status
