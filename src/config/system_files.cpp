#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>

#include "config/load.hpp"

namespace holdfast::config {
namespace {

class SystemFiles : public Files {
 public:
  Kind private_key(const std::string& path) const override {
    struct stat info {};
    const Kind kind = look_at(path, info);
    return kind == Kind::good && exposed(info) ? Kind::exposed : kind;
  }

  Kind readable_file(const std::string& path) const override {
    struct stat info {};
    return look_at(path, info);
  }

  std::optional<std::string> credentials_directory() const override {
    const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT(concurrency-mt-unsafe): one thread
    if (directory == nullptr || *directory == '\0') return std::nullopt;
    return directory;
  }

  std::string congestion_controls() const override { return {}; }

 private:
  static Kind look_at(const std::string& path, struct stat& info) {
    if (::stat(path.c_str(), &info) != 0) return errno == ENOENT || errno == ENOTDIR ? Kind::missing : Kind::unreadable;
    if (!S_ISREG(info.st_mode)) return Kind::not_a_file;
    return ::faccessat(AT_FDCWD, path.c_str(), R_OK, AT_EACCESS) == 0 ? Kind::good : Kind::unreadable;
  }

  /// OpenSSH (authfile.c, sshkey_perm_ok) looks at the group's bits of the user's own files only: a credential that
  /// systemd passes belongs to root and shows the mask of its access list there. Others may read in no case.
  static bool exposed(const struct stat& info) {
    const bool own = info.st_uid == ::geteuid();
    return (info.st_mode & (own ? 077U : 007U)) != 0;
  }
};

/// Sees files as an operator does: credentials exist while the service runs, and for the service only.
class FilesOutsideService : public SystemFiles {
 public:
  Kind private_key(const std::string& path) const override {
    return unseen(path) ? Kind::unseen : SystemFiles::private_key(path);
  }
  Kind readable_file(const std::string& path) const override {
    return unseen(path) ? Kind::unseen : SystemFiles::readable_file(path);
  }
  std::optional<std::string> credentials_directory() const override {
    return SystemFiles::credentials_directory().value_or(service_credentials);
  }
  std::string congestion_controls() const override {
    std::string names;
    std::ifstream file("/proc/sys/net/ipv4/tcp_available_congestion_control");
    std::getline(file, names);
    return names;
  }

 private:
  /// The state directory is made by the service's first start, and others than root and the service stay outside.
  bool unseen(const std::string& path) const {
    const auto below = [&](const std::string& folder) { return path.starts_with(folder + "/"); };
    if (!SystemFiles::credentials_directory() && below(service_credentials)) return true;
    return below(default_state_directory) && ::faccessat(AT_FDCWD, default_state_directory, X_OK, AT_EACCESS) != 0;
  }
};

class FilesWithoutKeys final : public FilesOutsideService {
 public:
  Kind private_key(const std::string& /*path*/) const override { return Kind::good; }
  Kind readable_file(const std::string& /*path*/) const override { return Kind::good; }
};

/// A key that is away is one tunnel's trouble, and may come (a file system that is mounted later).
class FilesInService final : public SystemFiles {
 public:
  Kind private_key(const std::string& path) const override { return hoped_for(SystemFiles::private_key(path)); }
  Kind readable_file(const std::string& path) const override { return hoped_for(SystemFiles::readable_file(path)); }

 private:
  static Kind hoped_for(Kind kind) {
    const bool away = kind == Kind::missing || kind == Kind::unreadable || kind == Kind::not_a_file;
    return away ? Kind::good : kind;
  }
};

}  // namespace

const Files& files_in_service() {
  static const FilesInService files;
  return files;
}

const Files& files_without_keys() {
  static const FilesWithoutKeys files;
  return files;
}

const Files& files_outside_service() {
  static const FilesOutsideService files;
  return files;
}

const Files& system_files() {
  static const SystemFiles files;
  return files;
}

}  // namespace holdfast::config
