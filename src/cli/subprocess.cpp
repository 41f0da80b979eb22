#include "cli/subprocess.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace holdfast::cli {
namespace {

/// What a program prints lands in memory: no pipe can fill up while it is waited for.
class Memory {
 public:
  explicit Memory(const char* name) : fd_(::memfd_create(name, MFD_CLOEXEC)) {}
  ~Memory() {
    if (fd_ >= 0) ::close(fd_);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  int fd() const { return fd_; }
  std::string text() const {
    std::string all;
    char piece[4096];
    for (ssize_t size = 0; (size = ::pread(fd_, piece, sizeof piece, static_cast<off_t>(all.size()))) > 0;) {
      all.append(piece, static_cast<std::size_t>(size));
    }
    return all;
  }

 private:
  int fd_;
};

}  // namespace

tl::expected<Finished, std::string> run_program(const std::vector<std::string>& command) {
  const auto failure = [&](int error) {
    return tl::unexpected(command.front() + ": " + std::generic_category().message(error));
  };
  const Memory output{"output"};
  const Memory errors{"errors"};
  if (output.fd() < 0 || errors.fd() < 0) return failure(errno);

  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output.fd(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors.fd(), STDERR_FILENO);
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, arguments.front(), &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return failure(error);

  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return failure(errno);
  }
  return Finished{WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), output.text(), errors.text()};
}

}  // namespace holdfast::cli
