// The device's link: carries packets between a TUN device in the device's network namespace and one in the carrier's,
// as the model says. See README.md; control() documents the control socket.
//   lab_link CONTROL_SOCKET SEED DEVICE_NETNS DEVICE_TUN CARRIER_NETNS CARRIER_TUN

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>
#include <unordered_map>

#include "lab/link_control.hpp"

namespace holdfast::lab {
namespace {

int checked(int result, const std::string& what) {
  if (result < 0) {
    throw std::system_error(errno, std::generic_category(), what);
  }
  return result;
}

int open_tun(const char* netns, const char* name) {
  const int ns = checked(::open(netns, O_RDONLY | O_CLOEXEC), netns);
  checked(::setns(ns, CLONE_NEWNET), std::string("enter ") + netns);
  ::close(ns);
  const int fd = checked(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/net/tun");
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  checked(::ioctl(fd, TUNSETIFF, &request), std::string("make ") + name);
  return fd;
}

int listen_on(const char* path) {
  const int fd = checked(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) {
    throw std::invalid_argument(std::string("too long for a socket: ") + path);
  }
  std::strcpy(address.sun_path, path);
  checked(::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), path);
  checked(::listen(fd, 8), path);
  return fd;
}

class LinkProgram {
 public:
  LinkProgram(const char* control_path, std::uint64_t seed, int device, int carrier)
      : link_(seed),
        device_(device),
        carrier_(carrier),
        listener_(listen_on(control_path)),
        timer_(checked(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), "timerfd")),
        epoll_(checked(::epoll_create1(EPOLL_CLOEXEC), "epoll")) {
    for (const int fd : {device_, carrier_, listener_, timer_}) {
      watch(fd);
    }
  }

  void run() {
    for (;;) {
      std::array<epoll_event, 16> events{};
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        handle(events[static_cast<std::size_t>(i)].data.fd);
      }
      deliver(link_.up, carrier_);
      deliver(link_.down, device_);
      arm_timer();
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    checked(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }

  void handle(int fd) {
    if (fd == device_) {
      take_in(device_, link_.up);
    } else if (fd == carrier_) {
      take_in(carrier_, link_.down);
    } else if (fd == timer_) {
      std::uint64_t expirations = 0;
      [[maybe_unused]] const ssize_t got = ::read(timer_, &expirations, sizeof expirations);
    } else if (fd == listener_) {
      const int client = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (client >= 0) {
        watch(client);
      }
    } else {
      serve(fd);
    }
  }

  static void take_in(int tun, LinkModel& model) {
    std::array<std::uint8_t, 65536> buffer;
    // Bounded, so that a flood in one direction doesn't starve the other.
    for (int packets = 0; packets < 64; ++packets) {
      const ssize_t size = ::read(tun, buffer.data(), buffer.size());
      if (size <= 0) {
        return;
      }
      model.offer(Clock::now(), Packet(buffer.begin(), buffer.begin() + size));
    }
  }

  static void deliver(LinkModel& model, int tun) {
    for (const Packet& packet : model.take_due(Clock::now())) {
      // A device that is down, or moving to another namespace, loses the packet: so does a real one.
      [[maybe_unused]] const ssize_t sent = ::write(tun, packet.data(), packet.size());
    }
  }

  void arm_timer() {
    auto due = link_.up.next_due();
    if (const auto down = link_.down.next_due(); down && (!due || *down < *due)) {
      due = down;
    }
    itimerspec when{};
    if (due) {
      // Past times too: absolute zero would disarm it, so at least a nanosecond.
      const auto ns = std::max<std::int64_t>(
          1, std::chrono::duration_cast<std::chrono::nanoseconds>(due->time_since_epoch()).count());
      when.it_value.tv_sec = ns / 1'000'000'000;
      when.it_value.tv_nsec = ns % 1'000'000'000;
    }
    checked(::timerfd_settime(timer_, TFD_TIMER_ABSTIME, &when, nullptr), "timerfd_settime");
  }

  void serve(int client) {
    std::array<char, 1024> chunk{};
    const ssize_t got = ::read(client, chunk.data(), chunk.size());
    std::string& pending = pending_[client];
    if (got <= 0 || pending.size() > 4096) {
      pending_.erase(client);
      ::close(client);
      return;
    }
    pending.append(chunk.data(), static_cast<std::size_t>(got));
    for (std::size_t end = 0; (end = pending.find('\n')) != std::string::npos; pending.erase(0, end + 1)) {
      const std::string answer = control(link_, pending.substr(0, end)) + "\n";
      [[maybe_unused]] const ssize_t sent = ::send(client, answer.data(), answer.size(), MSG_NOSIGNAL);
    }
  }

  Link link_;
  int device_;
  int carrier_;
  int listener_;
  int timer_;
  int epoll_;
  std::unordered_map<int, std::string> pending_;
};

}  // namespace
}  // namespace holdfast::lab

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: lab_link CONTROL_SOCKET SEED DEVICE_NETNS DEVICE_TUN CARRIER_NETNS CARRIER_TUN\n");
    return 2;
  }
  try {
    const int device = holdfast::lab::open_tun(argv[3], argv[4]);
    const int carrier = holdfast::lab::open_tun(argv[5], argv[6]);
    holdfast::lab::LinkProgram(argv[1], std::strtoull(argv[2], nullptr, 10), device, carrier).run();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lab_link: %s\n", error.what());
    return 1;
  }
}
