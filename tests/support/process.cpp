#include "support/process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <system_error>

namespace holdfast::test {
namespace {

[[noreturn]] void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

int memory_file(const std::string& content = {}) {
  const int fd = ::memfd_create("holdfast-test", MFD_CLOEXEC);
  if (fd < 0 || ::write(fd, content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
      ::lseek(fd, 0, SEEK_SET) != 0) {
    throw_errno("memfd_create");
  }
  return fd;
}

std::string content_of(int fd) {
  std::string content;
  std::array<char, 65536> chunk{};
  for (;;) {
    const ssize_t got = ::pread(fd, chunk.data(), chunk.size(), static_cast<off_t>(content.size()));
    if (got <= 0) {
      return content;
    }
    content.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

std::vector<std::string> environment(const std::map<std::string, std::string>& added) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string line = *entry;
    if (added.count(line.substr(0, line.find('='))) == 0) {
      result.push_back(line);
    }
  }
  for (const auto& [name, value] : added) {
    result.push_back(std::string(name).append("=").append(value));
  }
  return result;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (std::string& string : strings) {
    result.push_back(string.data());
  }
  result.push_back(nullptr);
  return result;
}

/// What the child needs to exec, made before the fork.
struct Image {
  explicit Image(const Command& command)
      : argv(command.argv),
        env(environment(command.env)),
        argv_pointers(pointers(argv)),
        env_pointers(pointers(env)),
        run_as(command.run_as) {}

  std::vector<std::string> argv;
  std::vector<std::string> env;
  std::vector<char*> argv_pointers;
  std::vector<char*> env_pointers;
  std::optional<UserId> run_as;
};

[[noreturn]] void exec(Image& image) {
  if (image.run_as &&
      (::setgroups(0, nullptr) != 0 || ::setgid(image.run_as->gid) != 0 || ::setuid(image.run_as->uid) != 0)) {
    ::perror("drop to another user");
    ::_exit(126);
  }
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // after setuid, which clears it
  ::execvpe(image.argv_pointers[0], image.argv_pointers.data(), image.env_pointers.data());
  ::perror(image.argv_pointers[0]);
  ::_exit(127);
}

struct ProcStat {
  pid_t parent = 0;
  char state = 0;
};

std::optional<ProcStat> proc_stat(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return {};
  }
  const std::string content = content_of(fd);
  ::close(fd);
  ProcStat stat;
  const std::size_t name_end = content.rfind(')');  // the name may hold anything, a parenthesis too
  if (name_end == std::string::npos ||
      std::sscanf(content.c_str() + name_end + 1, " %c %d", &stat.state, &stat.parent) != 2) {
    return {};
  }
  return stat;
}

/// All living processes below `ancestor`, parents before children.
std::vector<pid_t> living_below(pid_t ancestor) {
  std::vector<std::pair<pid_t, ProcStat>> all;
  if (DIR* proc = ::opendir("/proc")) {
    while (const dirent* entry = ::readdir(proc)) {
      const pid_t pid = std::atoi(entry->d_name);
      if (const auto stat = pid > 0 ? proc_stat(pid) : std::nullopt; stat) {
        all.emplace_back(pid, *stat);
      }
    }
    ::closedir(proc);
  }
  std::vector<pid_t> found{ancestor};
  for (std::size_t i = 0; i < found.size(); ++i) {
    for (const auto& [pid, stat] : all) {
      if (stat.parent == found[i] && stat.state != 'Z' && stat.state != 'X') {
        found.push_back(pid);
      }
    }
  }
  found.erase(found.begin());
  return found;
}

void reap_all(bool& childless) {
  for (;;) {
    const pid_t pid = ::waitpid(-1, nullptr, WNOHANG);
    if (pid <= 0) {
      childless = pid < 0 && errno == ECHILD;
      return;
    }
  }
}

/// The keeper's life: until it is told to end, its parent is gone, or nobody is left.
[[noreturn]] void keep(Image& image, int root_pipe, pid_t parent) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  const pid_t root = ::fork();
  if (root == 0) {
    ::setsid();
    ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);
    exec(image);
  }
  if (::write(root_pipe, &root, sizeof root) != sizeof root) {
    ::_exit(1);
  }
  ::close_range(STDERR_FILENO + 1, ~0U, 0);  // or the test's sockets would stay open with the keeper
  bool ending = ::getppid() != parent;       // the signal of its death may have been too early
  bool childless = false;
  while (!childless) {
    if (ending) {
      for (const pid_t pid : living_below(::getpid())) {
        ::kill(pid, SIGKILL);
      }
    }
    ending = ::sigwaitinfo(&signals, nullptr) == SIGTERM || ending;
    reap_all(childless);
  }
  ::_exit(0);
}

ExitStatus exit_status(int raw) {
  return WIFEXITED(raw) ? ExitStatus{WEXITSTATUS(raw), 0} : ExitStatus{-1, WTERMSIG(raw)};
}

std::string command_line(const Command& command) {
  std::string line;
  for (const std::string& word : command.argv) {
    line += (line.empty() ? "" : " ") + word;
  }
  return line;
}

}  // namespace

Process::Process(const Command& command) : Process(command, -1) {}

Process::Process(const Command& command, int root_pipe) : output_(memory_file()), errors_(memory_file()) {
  const int input = memory_file(command.input);
  Image image(command);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    ::setpgid(0, 0);
    ::dup2(input, STDIN_FILENO);
    ::dup2(output_, STDOUT_FILENO);
    ::dup2(errors_, STDERR_FILENO);
    if (root_pipe >= 0) {
      keep(image, root_pipe, parent);
    }
    exec(image);
  }
  ::close(input);
  if (pid_ < 0) {
    throw_errno("fork");
  }
  ::setpgid(pid_, pid_);  // here too, so that kill() finds the group however early it comes
}

Process::~Process() {
  kill();
  ::close(output_);
  ::close(errors_);
}

bool Process::running() {
  if (ended_) {
    return false;
  }
  int raw = 0;
  if (::waitpid(pid_, &raw, WNOHANG) == pid_) {
    ended_ = exit_status(raw);
  }
  return !ended_;
}

void Process::signal(int number) {
  if (running()) {
    ::kill(pid_, number);
  }
}

std::optional<ExitStatus> Process::wait(std::chrono::milliseconds limit) {
  if (!wait_until([this] { return !running(); }, limit)) {
    return {};
  }
  return ended_;
}

void Process::kill() {
  if (!ended_) {
    ::kill(-pid_, SIGKILL);
    int raw = 0;
    ::waitpid(pid_, &raw, 0);
    ended_ = exit_status(raw);
  }
}

std::string Process::output() const {
  return content_of(output_);
}
std::string Process::errors() const {
  return content_of(errors_);
}

ProcessTree::ProcessTree(const Command& command) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw_errno("pipe2");
  }
  keeper_.reset(new Process(command, ends[1]));
  ::close(ends[1]);
  const ssize_t got = ::read(ends[0], &root_, sizeof root_);
  ::close(ends[0]);
  if (got != sizeof root_ || root_ <= 0) {
    throw std::runtime_error("could not start " + command_line(command));
  }
}

ProcessTree::~ProcessTree() {
  keeper_->signal(SIGTERM);
  if (!keeper_->wait(10s)) {
    signal_all(SIGKILL);
  }
}

bool ProcessTree::root_running() const {
  const auto stat = proc_stat(root_);
  return stat && stat->parent == keeper_->pid() && stat->state != 'Z';
}

std::vector<pid_t> ProcessTree::members() const {
  return living_below(keeper_->pid());
}

std::vector<pid_t> ProcessTree::descendants() const {
  std::vector<pid_t> result = members();
  std::erase(result, root_);
  return result;
}

void ProcessTree::signal_all(int number) const {
  std::vector<pid_t> told;
  for (bool found_more = true; found_more;) {
    found_more = false;
    for (const pid_t pid : members()) {
      if (std::find(told.begin(), told.end(), pid) == told.end()) {
        ::kill(pid, number);
        told.push_back(pid);
        found_more = true;
      }
    }
  }
}

Finished run(const Command& command, std::chrono::milliseconds limit) {
  Process process(command);
  const auto status = process.wait(limit);
  if (!status) {
    throw std::runtime_error(command_line(command) + ": still running after the limit\n" + process.errors());
  }
  return {*status, process.output(), process.errors()};
}

std::string run_checked(const Command& command, std::chrono::milliseconds limit) {
  Finished finished = run(command, limit);
  if (finished.status != success) {
    throw std::runtime_error(command_line(command) + " failed: " + finished.errors + finished.output);
  }
  return finished.output;
}

}  // namespace holdfast::test
