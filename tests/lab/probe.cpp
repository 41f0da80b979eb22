#include "lab/probe.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <random>
#include <system_error>

#include "support/wait.hpp"

namespace holdfast::lab {

using namespace std::chrono_literals;

void Probe::mark_old(bool may_survive) {
  hang_up();
  may_survive_ = may_survive;
  old_inode_ = listener_inode(lab_.relay(), port_);
  const auto sessions = established_to(lab_.device(), Lab::ssh_port);
  old_session_ = sessions.empty() ? std::nullopt : std::optional(*sessions.begin());
}

bool Probe::old_listener_stands() const {
  return old_inode_ && listener_inode(lab_.relay(), port_) == old_inode_;
}

bool Probe::old_session_stands() const {
  return old_session_ && established_to(lab_.device(), Lab::ssh_port).contains(*old_session_);
}

bool Probe::may_knock(std::uint64_t inode) const {
  return inode != old_inode_ || (may_survive_ && old_session_stands());
}

void Probe::open_knock(std::uint64_t inode) {
  const InNetwork here(lab_.relay());
  try {
    knock_ = {test::Socket::connect_tcp("127.0.0.1", port_), inode, ""};
  } catch (const std::system_error&) {  // the listener went away between the look and the knock
  }
  next_knock_ = Clock::now() + 100ms;
}

bool Probe::answered() {
  const auto inode = listener_inode(lab_.relay(), port_);
  if (knock_ && inode != knock_->inode) {
    knock_.reset();
  }
  if (!knock_ && inode && may_knock(*inode) && Clock::now() >= next_knock_) {
    open_knock(*inode);
  }
  if (!knock_) {
    return false;
  }
  std::array<char, 256> chunk{};
  const ssize_t got = ::recv(knock_->socket.fd(), chunk.data(), chunk.size(), MSG_DONTWAIT);
  if (got > 0) {
    knock_->received.append(chunk.data(), static_cast<std::size_t>(got));
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    knock_.reset();
    return false;
  }
  return knock_->received == greeting_;
}

std::optional<double> Probe::wait_for_answer(Duration limit) {
  return time_until([this] { return answered(); }, limit);
}

bool Probe::echoes(std::size_t size) {
  if (!knock_) {
    return false;
  }
  std::string sent(size, '\0');
  std::minstd_rand random(static_cast<unsigned>(size));
  for (char& byte : sent) {
    byte = static_cast<char>(random());
  }
  try {
    knock_->socket.set_timeout(30s);
    knock_->socket.send(sent);
    return knock_->socket.receive_exactly(size) == sent;
  } catch (const std::system_error&) {
    return false;
  }
}

std::optional<double> time_until(const std::function<bool()>& condition, Duration limit) {
  const TimePoint start = Clock::now();
  for (;;) {
    if (condition()) {
      return std::chrono::duration<double>(Clock::now() - start).count();
    }
    if (Clock::now() - start > limit) {
      return {};
    }
    ::poll(nullptr, 0, 5);
  }
}

void let_pass(Duration time) {
  (void)test::holds_for([] { return true; }, std::chrono::duration_cast<std::chrono::milliseconds>(time));
}

}  // namespace holdfast::lab
