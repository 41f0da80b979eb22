#include "setup/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
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
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return errno;
  const int result = ::fsync(descriptor) == 0 || errno == EINVAL ? 0 : errno;
  ::close(descriptor);
  return result;
}

}  // namespace

tl::expected<bool, std::string> create_file(const std::string& path, const std::string& text, mode_t mode) {
  struct stat there {};
  if (::lstat(path.c_str(), &there) == 0) return false;
  const std::string beside = path + ".new";
  ::unlink(beside.c_str());
  const int descriptor = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (descriptor < 0) return error(path);
  int failed = write_all(descriptor, text, mode);
  ::close(descriptor);
  // Unlike rename(2), link(2) replaces nothing.
  if (failed == 0 && ::link(beside.c_str(), path.c_str()) != 0) failed = errno;
  ::unlink(beside.c_str());
  if (failed == EEXIST) return false;
  if (failed == 0) failed = sync_folder(std::filesystem::path{path}.parent_path());
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
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return error(path);
  if (const int failed = sync_folder(above)) return error(above, failed);
  return true;
}

tl::expected<std::string, std::string> read_file(const std::string& path) {
  constexpr std::size_t largest = std::size_t{256} * 1024;
  auto text = ssh::read_file(path, largest);
  if (!text) return error(path, text.error());
  return *std::move(text);
}

}  // namespace holdfast::setup
