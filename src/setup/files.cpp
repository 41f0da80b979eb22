#include "setup/files.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "ssh/file.hpp"

namespace holdfast::setup {
namespace {

tl::unexpected<std::string> error(const std::string& path, int number = errno) {
  return tl::unexpected(path + ": " + std::generic_category().message(number));
}

/// 0, or errno.
int write_all(int descriptor, const std::string& text, mode_t mode) {
  const ssize_t written = ::write(descriptor, text.data(), text.size());
  if (written < 0) return errno;
  if (static_cast<std::size_t>(written) != text.size()) return ENOSPC;
  // Whatever the umask is; and the content has to be on the disk before the name is.
  return ::fchmod(descriptor, mode) == 0 && ::fsync(descriptor) == 0 ? 0 : errno;
}

int sync_folder(const std::string& path) {
  const net::Descriptor folder{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return errno;
  return ::fsync(folder.get()) == 0 || errno == EINVAL ? 0 : errno;
}

/// FILE.new.PID: two processes that make the same file are not in each other's way.
std::string beside(const std::string& path, const std::string& process) {
  return path + ".new." + process;
}

/// What processes that are gone have left beside it.
void remove_leftovers(const std::string& path) {
  const std::filesystem::path file{path};
  const std::string start = beside(file.filename().string(), "");
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator{file.parent_path(), error}) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(start)) continue;
    pid_t process = 0;
    const char* const end = name.data() + name.size();
    const auto read = std::from_chars(name.data() + start.size(), end, process);
    if (read.ec != std::errc{} || read.ptr != end || process <= 0) continue;
    const bool gone = process == ::getpid() || (::kill(process, 0) != 0 && errno == ESRCH);
    if (gone) ::unlink(entry.path().c_str());
  }
}

}  // namespace

tl::expected<bool, std::string> create_file(const std::string& path, const std::string& text, mode_t mode) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) return false;
  remove_leftovers(path);
  const std::string unnamed = beside(path, std::to_string(::getpid()));
  const int descriptor = ::open(unnamed.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0) return error(path);
  int failed = write_all(descriptor, text, mode);
  ::close(descriptor);
  // Unlike rename(2), link(2) replaces nothing.
  if (failed == 0 && ::link(unnamed.c_str(), path.c_str()) != 0) failed = errno;
  ::unlink(unnamed.c_str());
  if (failed == EEXIST) return false;
  if (failed == 0) failed = sync_folder(std::filesystem::path{std::filesystem::absolute(path)}.parent_path());
  if (failed != 0) return error(path, failed);
  return true;
}

tl::expected<bool, std::string> create_folder(const std::string& path, mode_t mode) {
  struct stat there {};
  if (::stat(path.c_str(), &there) == 0) {
    if (!S_ISDIR(there.st_mode)) return error(path, ENOTDIR);
    return false;
  }
  const std::string above = std::filesystem::path{path}.parent_path();
  if (auto made = create_folder(above, mode); !made) return made;
  if (::mkdir(path.c_str(), mode) != 0) {
    if (errno != EEXIST) return error(path);
  } else if (::chmod(path.c_str(), mode) != 0) {  // whatever the umask is
    return error(path);
  }
  if (const int failed = sync_folder(above)) return error(above, failed);
  return true;
}

FolderLock::FolderLock(const std::string& path) : folder_(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
  while (folder_ && ::flock(folder_.get(), LOCK_EX) != 0 && errno == EINTR) {
  }
}

bool is_enabled(const std::string& folder, const std::string& unit_template) {
  std::error_code error;
  for (const auto& wants : std::filesystem::directory_iterator{folder, error}) {
    if (wants.path().extension() != ".wants") continue;
    for (const auto& unit : std::filesystem::directory_iterator{wants.path(), error}) {
      if (unit.path().filename().string().starts_with(unit_template)) return true;
    }
  }
  return false;
}

tl::expected<std::string, std::string> read_file(const std::string& path) {
  constexpr std::size_t largest = std::size_t{256} * 1024;
  auto text = ssh::read_file(path, largest);
  if (!text) return error(path, text.error());
  return *std::move(text);
}

}  // namespace holdfast::setup
