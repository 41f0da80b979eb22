#include "ssh/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace holdfast::ssh {
namespace {

tl::expected<std::string, int> read_descriptor(int descriptor, std::size_t limit) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return tl::unexpected(errno);
  if (!S_ISREG(status.st_mode)) return tl::unexpected(EINVAL);
  std::string text;
  char chunk[16 * 1024];
  for (;;) {
    const ssize_t count = ::read(descriptor, chunk, sizeof chunk);
    if (count == 0) return text;
    if (count < 0) {
      if (errno == EINTR) continue;
      return tl::unexpected(errno);
    }
    text.append(chunk, static_cast<std::size_t>(count));
    if (text.size() > limit) return tl::unexpected(EFBIG);
  }
}

}  // namespace

tl::expected<std::string, int> read_file(const std::string& path, std::size_t limit) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return tl::unexpected(errno);
  auto text = read_descriptor(descriptor, limit);
  ::close(descriptor);
  return text;
}

std::string errno_text(int error) {
  return std::error_code{error, std::generic_category()}.message();
}

}  // namespace holdfast::ssh
