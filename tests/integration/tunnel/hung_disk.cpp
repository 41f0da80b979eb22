// Preloaded: a disk that does not answer. While the file $HUNG_DISK_WHILE exists, no call comes back that opens,
// renames or removes a file in the folder $HUNG_DISK.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdlib>
#include <cstring>

namespace {

void wait_for_disk(const char* path) {
  const char* folder = std::getenv("HUNG_DISK");
  const char* hung = std::getenv("HUNG_DISK_WHILE");
  if (folder == nullptr || hung == nullptr || std::strncmp(path, folder, std::strlen(folder)) != 0) return;
  while (::syscall(SYS_faccessat, AT_FDCWD, hung, F_OK) == 0) ::poll(nullptr, 0, 10);
}

int open_at_last(const char* path, int flags, mode_t mode) {
  wait_for_disk(path);
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

mode_t mode_of(int flags, va_list arguments) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

}  // namespace

extern "C" int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at_last(path, flags, mode);
}

extern "C" int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at_last(path, flags | O_LARGEFILE, mode);
}

extern "C" int unlink(const char* path) {
  wait_for_disk(path);
  return static_cast<int>(::syscall(SYS_unlinkat, AT_FDCWD, path, 0));
}

extern "C" int rename(const char* from, const char* to) {
  wait_for_disk(from);
  return static_cast<int>(::syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
