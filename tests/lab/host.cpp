#include "lab/host.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>
#include <stdexcept>
#include <system_error>

namespace holdfast::lab {
namespace {

[[noreturn]] void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

/// In the child: makes the namespaces. The name of what failed, or nothing.
const char* enter_new_namespaces(const std::vector<Host::Bind>& binds) {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
    return "unshare";
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return "make / private";
  }
  // /sys/class/net shows the network namespace in which sysfs was mounted.
  ::umount2("/sys", MNT_DETACH);
  if (::mount("sysfs", "/sys", "sysfs", 0, nullptr) != 0 || ::mount("tmpfs", "/run", "tmpfs", 0, "mode=755") != 0) {
    return "mount /sys and /run";
  }
  for (const Host::Bind& bind : binds) {
    if (::mount(bind.source.c_str(), bind.target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
      return bind.target.c_str();
    }
  }
  return nullptr;
}

int open_namespace(pid_t pid, const char* kind) {
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/" + kind;
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    throw_errno(path);
  }
  return fd;
}

struct TcpLine {
  unsigned local_address = 0;
  unsigned local_port = 0;
  unsigned remote_port = 0;
  unsigned state = 0;
  unsigned long inode = 0;
};
constexpr unsigned established = 1;
constexpr unsigned listening = 10;

std::vector<TcpLine> tcp_table(const Host& host) {
  const InNetwork here(host);
  std::ifstream file("/proc/thread-self/net/tcp");
  std::vector<TcpLine> lines;
  for (std::string text; std::getline(file, text);) {
    TcpLine line;
    if (std::sscanf(text.c_str(), " %*u: %x:%x %*x:%x %x %*s %*s %*s %*s %*s %lu", &line.local_address,
                    &line.local_port, &line.remote_port, &line.state, &line.inode) == 5) {
      lines.push_back(line);
    }
  }
  return lines;
}

}  // namespace

Host::Host(const std::vector<Bind>& binds) {
  // The child of another thread, at the same time, would hold these pipes open too, and each would wait for the other.
  static std::mutex one_at_a_time;
  std::unique_lock lock(one_at_a_time);
  std::array<int, 2> ready{};
  std::array<int, 2> done{};
  if (::pipe2(ready.data(), O_CLOEXEC) != 0 || ::pipe2(done.data(), O_CLOEXEC) != 0) {
    throw_errno("pipe2");
  }
  const pid_t child = ::fork();
  if (child == 0) {
    const char* failed = enter_new_namespaces(binds);
    std::array<char, 256> word{"+"};
    if (failed != nullptr) {
      std::snprintf(word.data(), word.size(), "%s: %s", failed, ::strerrordesc_np(errno));
    }
    char ignored = 0;
    ::close(done[1]);
    if (::write(ready[1], word.data(), std::strlen(word.data())) < 0 || ::read(done[0], &ignored, 1) < 0) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  ::close(ready[1]);
  ::close(done[0]);
  std::array<char, 256> word{};
  const bool made = child > 0 && ::read(ready[0], word.data(), word.size() - 1) > 0 && word[0] == '+';
  if (made) {
    network_ = open_namespace(child, "net");
    mounts_ = open_namespace(child, "mnt");
  }
  ::close(ready[0]);
  ::close(done[1]);
  if (child > 0) {
    ::waitpid(child, nullptr, 0);
  }
  lock.unlock();
  if (!made) {
    throw std::runtime_error("can't make the namespaces of a lab machine: " + std::string(word.data()));
  }
  // Router solicitations and multicast reports would pollute the byte counts.
  sysctl("net/ipv6/conf/default/disable_ipv6", "1");
  ip("link set lo up\n");
}

Host::~Host() {
  ::close(network_);
  ::close(mounts_);
}

std::string Host::network_path() const {
  return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(network_);
}

test::Command Host::on(test::Command command) const {
  const std::string mounts = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(mounts_);
  const std::vector<std::string> enter{"nsenter", "--net=" + network_path(), "--mount=" + mounts, "--"};
  command.argv.insert(command.argv.begin(), enter.begin(), enter.end());
  return command;
}

std::string Host::run(std::vector<std::string> argv, std::string input) const {
  return test::run_checked(on({.argv = std::move(argv), .input = std::move(input)}));
}

void Host::sysctl(const std::string& path, const std::string& value) const {
  const InNetwork here(*this);
  std::ofstream file("/proc/sys/" + path);
  if (!(file << value << std::flush)) {
    throw std::runtime_error("cannot set " + path);
  }
}

InNetwork::InNetwork(const Host& host) : previous_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
  if (previous_ < 0 || ::setns(host.network_fd(), CLONE_NEWNET) != 0) {
    throw_errno("enter the network of a lab machine");
  }
}

InNetwork::~InNetwork() {
  if (::setns(previous_, CLONE_NEWNET) != 0) {
    std::perror("leave the network of a lab machine");
    std::abort();  // anything else would now happen on the wrong machine
  }
  ::close(previous_);
}

std::optional<std::uint64_t> listener_inode(const Host& host, std::uint16_t port) {
  const unsigned loopback = 0x0100007f;  // the table prints it as the machine's own integer
  for (const TcpLine& line : tcp_table(host)) {
    if (line.state == listening && line.local_port == port &&
        (line.local_address == 0 || line.local_address == loopback)) {
      return line.inode;
    }
  }
  return {};
}

std::set<std::uint16_t> established_to(const Host& host, std::uint16_t remote_port) {
  std::set<std::uint16_t> ports;
  for (const TcpLine& line : tcp_table(host)) {
    if (line.state == established && line.remote_port == remote_port) {
      ports.insert(static_cast<std::uint16_t>(line.local_port));
    }
  }
  return ports;
}

std::size_t established_at(const Host& host, std::uint16_t local_port) {
  std::size_t count = 0;
  for (const TcpLine& line : tcp_table(host)) {
    count += line.state == established && line.local_port == local_port ? 1 : 0;
  }
  return count;
}

}  // namespace holdfast::lab
