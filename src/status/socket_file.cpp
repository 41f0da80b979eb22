#include "status/socket_file.hpp"

#include <fcntl.h>
#include <grp.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

namespace holdfast::status {
namespace {

constexpr mode_t closed_mode = 0600;
constexpr mode_t shared_mode = 0660;

std::string system_text(int error) {
  return std::generic_category().message(error);
}

tl::unexpected<std::string> failed(const std::string& text) {
  return tl::unexpected{text};
}

std::string directory_of(const std::string& path) {
  const std::string directory = std::filesystem::path{path}.parent_path().string();
  return directory.empty() ? "." : directory;
}

/// What keeps a file from being made in the directory, and what to do about it.
std::string why_not_created(const std::string& path, int error) {
  const std::string directory = directory_of(path);
  if (error == ENOENT) {
    return "the directory " + directory +
           " does not exist: create it (RuntimeDirectory=holdfast in the unit makes /run/holdfast), or set "
           "status_socket.path";
  }
  if (error == EACCES || error == EPERM || error == EROFS) {
    return "can't create files in " + directory + " (" + system_text(error) + "): make it writable for user id " +
           std::to_string(::geteuid()) + ", or set status_socket.path";
  }
  return "can't create it: " + system_text(error);
}

tl::expected<sockaddr_un, std::string> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  constexpr std::size_t most = sizeof address.sun_path - 1;
  if (path.empty() || path.size() > most) {
    return failed("a Unix socket's path has 1 to " + std::to_string(most) + " bytes, and this one has " +
                  std::to_string(path.size()) + ": set a shorter status_socket.path");
  }
  std::memcpy(static_cast<char*>(address.sun_path), path.data(), path.size());
  return address;
}

Descriptor unix_socket() {
  return Descriptor{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
}

const sockaddr* generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

std::string lock_of(const std::string& path) {
  return path + ".lock";
}

tl::expected<Descriptor, std::string> lock_beside(const std::string& path) {
  const std::string lock_path = lock_of(path);
  Descriptor lock{::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, closed_mode)};
  if (lock.get() < 0) {
    const int error = errno;
    if (error == EACCES && ::access(lock_path.c_str(), F_OK) == 0) {
      return failed("can't open " + lock_path +
                    ", which another user's holdfast made: end that one, and remove the file");
    }
    return failed(why_not_created(path, error));
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return failed("another holdfast already runs with it: end that one, or set another status_socket.path");
    }
    return failed("can't lock " + lock_path + ": " + system_text(errno));
  }
  return lock;
}

/// Makes the path free: nothing there, or a socket that nobody listens on. Call with the lock held.
std::optional<std::string> clear_leftover(const std::string& path, const sockaddr_un& address) {
  struct stat found {};
  if (::lstat(path.c_str(), &found) != 0) {
    if (errno == ENOENT) return std::nullopt;
    return why_not_created(path, errno);
  }
  if (!S_ISSOCK(found.st_mode))
    return "a file that is not a socket is in its place: remove it, or set status_socket.path";

  const Descriptor probe = unix_socket();
  if (probe.get() < 0) return "can't make a socket: " + system_text(errno);
  // EAGAIN: somebody listens and has not accepted its backlog.
  if (::connect(probe.get(), generic(address), sizeof address) == 0 || errno == EAGAIN) {
    return "another program answers on it: end that one, or set another status_socket.path";
  }
  if (errno != ECONNREFUSED) {
    return "can't tell whether somebody listens on it (" + system_text(errno) + "): remove it if nobody does";
  }
  if (::unlink(path.c_str()) != 0) return "can't remove the one that a crash left: " + system_text(errno);
  return std::nullopt;
}

std::optional<std::string> give_to_group(const std::string& path, const std::string& name) {
  struct group entry {};
  struct group* found = nullptr;
  std::vector<char> buffer(std::size_t{16} * 1024);
  int error = 0;
  while ((error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found)) == ERANGE) {
    buffer.resize(buffer.size() * 2);
  }
  if (found == nullptr) {
    return "there is no group '" + name + "'" + (error == 0 ? "" : " (" + system_text(error) + ")") +
           ": create it (groupadd --system " + name + "), or correct status_socket.group";
  }
  if (::lchown(path.c_str(), static_cast<uid_t>(-1), entry.gr_gid) != 0) {
    return "can't give it to group '" + name + "' (" + system_text(errno) +
           "): make the user that runs holdfast a member of that group, or correct status_socket.group";
  }
  return std::nullopt;
}

/// From bind(2) to listen(2), on a path that is free. Nobody can connect before the mode is final.
std::optional<std::string> open_for_business(const std::string& path, const std::string* group, int descriptor) {
  if (group != nullptr && !group->empty()) {
    if (auto error = give_to_group(path, *group)) return error;
  }
  // Not chmod(): it would follow a link that somebody put in the place of our file.
  const mode_t mode = group == nullptr ? closed_mode : shared_mode;
  if (::fchmodat(AT_FDCWD, path.c_str(), mode, AT_SYMLINK_NOFOLLOW) != 0) {
    return "can't set its mode: " + system_text(errno);
  }
  if (::listen(descriptor, SOMAXCONN) != 0) return "can't listen: " + system_text(errno);
  return std::nullopt;
}

}  // namespace

std::string path_of(const StatusSocketSpec& spec, Role role) {
  return role == Role::control ? control_socket(spec.path) : spec.path;
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = other.release();
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

int Descriptor::release() {
  return std::exchange(descriptor_, -1);
}

SocketFile::SocketFile(std::string path, Descriptor lock, Descriptor socket, dev_t device, ino_t inode)
    : path_(std::move(path)), lock_(std::move(lock)), socket_(std::move(socket)), device_(device), inode_(inode) {}

bool is_held(const std::string& path) {
  const Descriptor lock{::open(lock_of(path).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
  return lock.get() >= 0 && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

tl::expected<SocketFile, std::string> SocketFile::listen(const StatusSocketSpec& spec, Role role) {
  const std::string path = path_of(spec, role);
  const std::string name = (role == Role::control ? "control socket " : "status socket ") + path;
  return make(path, role == Role::status ? &spec.group : nullptr).map_error([&](const std::string& error) {
    return name + ": " + error;
  });
}

tl::expected<SocketFile, std::string> SocketFile::make(const std::string& path, const std::string* group) {
  const auto address = address_of(path);
  if (!address) return tl::unexpected{address.error()};
  auto lock = lock_beside(path);
  if (!lock) return tl::unexpected{lock.error()};
  if (const auto error = clear_leftover(path, *address)) return failed(*error);

  Descriptor socket = unix_socket();
  if (socket.get() < 0) return failed("can't make a socket: " + system_text(errno));
  // On Linux bind() takes the file's mode from the socket's own inode (unix_bind_bsd in net/unix/af_unix.c), so that
  // the file is never open to more than us, whatever the umask.
  if (::fchmod(socket.get(), closed_mode) != 0) return failed("can't set its mode: " + system_text(errno));
  if (::bind(socket.get(), generic(*address), sizeof *address) != 0) return failed(why_not_created(path, errno));
  struct stat made {};
  if (::lstat(path.c_str(), &made) != 0) return failed("it vanished while it was being made");

  SocketFile file{path, std::move(*lock), std::move(socket), made.st_dev, made.st_ino};
  if (const auto error = open_for_business(path, group, file.socket_.get())) return failed(*error);
  return file;
}

SocketFile::SocketFile(SocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      lock_(std::move(other.lock_)),
      socket_(std::move(other.socket_)),
      device_(other.device_),
      inode_(other.inode_) {}

SocketFile& SocketFile::operator=(SocketFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(lock_, other.lock_);
  std::swap(socket_, other.socket_);
  std::swap(device_, other.device_);
  std::swap(inode_, other.inode_);
  return *this;
}

SocketFile::~SocketFile() {
  if (!path_.empty() && in_place()) ::unlink(path_.c_str());
}

bool SocketFile::in_place() const {
  struct stat found {};
  return ::lstat(path_.c_str(), &found) == 0 && found.st_dev == device_ && found.st_ino == inode_;
}

}  // namespace holdfast::status
