#include "ssh/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include "net/owned_descriptor.hpp"

namespace holdfast::ssh {
namespace {

tl::expected<std::string, int> read_descriptor(int descriptor, std::size_t limit) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return tl::unexpected(errno);
  if (!S_ISREG(status.st_mode)) return tl::unexpected(EINVAL);
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size > limit) return tl::unexpected(EFBIG);
  // Read in place: a private key is to lie in one buffer, which its reader wipes.
  std::string text(size, '\0');
  std::size_t read = 0;
  while (read < size) {
    const ssize_t count = ::read(descriptor, text.data() + read, size - read);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return tl::unexpected(errno);
    if (count == 0) break;
    read += static_cast<std::size_t>(count);
  }
  text.resize(read);
  return text;
}

}  // namespace

tl::expected<std::string, int> read_file(const std::string& path, std::size_t limit) {
  const net::Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (!file) return tl::unexpected(errno);
  return read_descriptor(file.get(), limit);
}

std::string errno_text(int error) {
  return std::error_code{error, std::generic_category()}.message();
}

}  // namespace holdfast::ssh
