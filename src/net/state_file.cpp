#include "net/state_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <system_error>

#include "net/owned_descriptor.hpp"
#include "worker/worker.hpp"

namespace holdfast::net {
namespace {

constexpr std::size_t largest_file = std::size_t{256} * 1024;

Descriptor open_file(const std::string& path, int flags) {
  return Descriptor{::open(path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0640)};
}

std::string system_text(int error) {
  return std::generic_category().message(error);
}

tl::expected<std::string, std::string> read_now(const std::string& path) {
  const Descriptor file = open_file(path, O_RDONLY);
  if (!file) return tl::unexpected(errno == ENOENT ? "" : system_text(errno));
  struct stat found {};
  if (::fstat(file.get(), &found) != 0) return tl::unexpected(system_text(errno));
  if (!S_ISREG(found.st_mode)) return tl::unexpected<std::string>("it is no regular file");
  std::string text(largest_file + 1, '\0');
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(file.get(), text.data() + size, text.size() - size);
    if (got < 0) return tl::unexpected(system_text(errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > largest_file) return tl::unexpected<std::string>("it is too large");
  text.resize(size);
  return text;
}

constexpr std::chrono::seconds patience{2};

/// For the start. After a call that did not come back the others are not waited for.
Worker& worker() {
  static Worker instance{1};
  return instance;
}

}  // namespace

tl::expected<std::string, std::string> read_file(const std::string& path) {
  const auto text = within(worker(), patience, [path] { return read_now(path); });
  return text ? *text : tl::unexpected<std::string>("the disk does not answer");
}

int replace_file_soon(const std::string& path, const std::string& text) {
  return within(worker(), patience, [path, text] { return replace_file(path, text); }).value_or(ETIMEDOUT);
}

int replace_file(const std::string& path, const std::string& text) {
  const std::string beside = path + ".new";
  ::unlink(beside.c_str());
  {
    const Descriptor file = open_file(beside, O_WRONLY | O_CREAT | O_EXCL);
    if (!file) return errno;
    const ssize_t size = ::write(file.get(), text.data(), text.size());
    if (size < 0) return errno;
    if (static_cast<std::size_t>(size) != text.size()) return ENOSPC;
    // Or the name could reach the disk before the content does.
    if (::fdatasync(file.get()) != 0) return errno;
  }
  return ::rename(beside.c_str(), path.c_str()) != 0 ? errno : 0;
}

}  // namespace holdfast::net
