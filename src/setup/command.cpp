#include "setup/command.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace holdfast::setup {
namespace {

struct Pipe {
  std::array<int, 2> ends{-1, -1};

  Pipe() {
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  }
  ~Pipe() {
    for (const int end : ends) {
      if (end >= 0) ::close(end);
    }
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void close(std::size_t end) { ::close(std::exchange(ends.at(end), -1)); }
};

}  // namespace

tl::expected<Ended, int> run(const std::vector<std::string>& command, const std::string& input) {
  Pipe in;
  Pipe out;
  posix_spawn_file_actions_t files{};
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, in.ends[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, out.ends[1], STDOUT_FILENO);
  std::vector<char*> words;
  words.reserve(command.size() + 1);
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));  // execv(3) reads only
  words.push_back(nullptr);
  pid_t child = -1;
  const int failed = ::posix_spawnp(&child, words[0], &files, nullptr, words.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (failed != 0) return tl::unexpected(failed);
  // Our own reading end is still open: there is nobody whose end could make this SIGPIPE.
  // Whoever reads less than all of it says so by how it ends.
  [[maybe_unused]] const ssize_t written = ::write(in.ends[1], input.data(), input.size());
  in.close(1);
  out.close(1);
  Ended ended;
  std::array<char, 1024> part{};
  constexpr std::size_t longest = std::size_t{64} * 1024;
  while (ended.output.size() < longest) {
    const ssize_t got = ::read(out.ends[0], part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    ended.output.append(part.data(), static_cast<std::size_t>(got));
  }
  out.close(0);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ended.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
  return ended;
}

}  // namespace holdfast::setup
