#include "setup/command.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "net/owned_descriptor.hpp"

namespace holdfast::setup {
namespace {

struct Pipe {
  net::Descriptor reading;
  net::Descriptor writing;

  Pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    reading = net::Descriptor{ends[0]};
    writing = net::Descriptor{ends[1]};
  }
};

}  // namespace

tl::expected<Ended, int> run(const std::vector<std::string>& command, const std::string& input) {
  Pipe in;
  Pipe out;
  posix_spawn_file_actions_t files{};
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_adddup2(&files, in.reading.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&files, out.writing.get(), STDOUT_FILENO);
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
  [[maybe_unused]] const ssize_t written = ::write(in.writing.get(), input.data(), input.size());
  in.writing = net::Descriptor{};
  out.writing = net::Descriptor{};
  Ended ended;
  std::array<char, 1024> part{};
  constexpr std::size_t longest = std::size_t{64} * 1024;
  while (ended.output.size() < longest) {
    const ssize_t got = ::read(out.reading.get(), part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    ended.output.append(part.data(), static_cast<std::size_t>(got));
  }
  out.reading = net::Descriptor{};
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  ended.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
  return ended;
}

}  // namespace holdfast::setup
