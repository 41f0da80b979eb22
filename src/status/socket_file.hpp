#pragma once

#include <sys/types.h>

#include <string>
#include <tl/expected.hpp>

#include "holdfast/config.hpp"

namespace holdfast::status {

/// The two sockets of a process, docs/status.md.
enum class Role {
  status,   ///< shows, to the members of its group: mode 0660
  control,  ///< takes commands, too, from its owner and root: mode 0600
};

/// Where the socket of that role is.
std::string path_of(const StatusSocketSpec& spec, Role role);

/// A living process has the socket of that path, whether it answers or hangs. Another user's can't be told.
bool is_held(const std::string& path);

/// A descriptor that is closed with its owner.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return descriptor_; }
  int release();

 private:
  int descriptor_ = -1;
};

/// A listening Unix socket and its file, which is removed with it.
///
/// A lock on PATH.lock, held for life, keeps two processes apart that start at once. Who has it may conclude from a
/// refused connection that a socket file is left over, and replace it. Binding beside and renaming would leave the
/// earlier of the two listening on a file that is gone. The lock file stays: removing it would let two lock two files.
class SocketFile {
 public:
  /// The error begins with the socket's role and path, and ends with what to do.
  static tl::expected<SocketFile, std::string> listen(const StatusSocketSpec& spec, Role role);
  SocketFile(SocketFile&&) noexcept;
  SocketFile& operator=(SocketFile&&) noexcept;
  ~SocketFile();  ///< removes the file if it is still ours

  /// Nobody has removed or replaced the file.
  bool in_place() const;
  /// The listening descriptor, non-blocking; the caller owns it from now on.
  int release_descriptor() { return socket_.release(); }

 private:
  /// `group`: who may connect, too; empty: the process's own; null: nobody but the owner and root.
  static tl::expected<SocketFile, std::string> make(const std::string& path, const std::string* group);
  SocketFile(std::string path, Descriptor lock, Descriptor socket, dev_t device, ino_t inode);

  std::string path_;
  Descriptor lock_;
  Descriptor socket_;
  dev_t device_ = 0;
  ino_t inode_ = 0;
};

}  // namespace holdfast::status
