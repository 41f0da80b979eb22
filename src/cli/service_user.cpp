#include "cli/service_user.hpp"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "config/load.hpp"

namespace holdfast::cli {
namespace {

/// The credentials of the process that listens there.
std::optional<ucred> peer_of(const std::string& path) {
  sockaddr_un address{};
  if (path.size() >= sizeof(address.sun_path)) return std::nullopt;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return std::nullopt;
  ucred peer{};
  socklen_t size = sizeof(peer);
  const bool known = ::connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
                     ::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0;
  ::close(descriptor);
  if (!known) return std::nullopt;
  return peer;
}

/// The unit may give the process groups that its user is not in. Empty if they can't be read.
std::vector<gid_t> groups_of(pid_t process) {
  std::ifstream status("/proc/" + std::to_string(process) + "/status");
  std::vector<gid_t> groups;
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with("Groups:")) continue;
    std::istringstream numbers{line.substr(std::strlen("Groups:"))};
    for (gid_t group = 0; numbers >> group;) groups.push_back(group);
  }
  return groups;
}

ServiceUser described(const passwd& entry) {
  ServiceUser user{entry.pw_name, entry.pw_uid, entry.pw_gid, std::vector<gid_t>(64)};
  int count = static_cast<int>(user.groups.size());
  if (::getgrouplist(entry.pw_name, entry.pw_gid, user.groups.data(), &count) < 0) count = 0;
  user.groups.resize(static_cast<std::size_t>(count));
  return user;
}

// One thread: NOLINTBEGIN(concurrency-mt-unsafe)
ServiceUser described(uid_t uid, gid_t gid) {
  const passwd* entry = ::getpwuid(uid);
  return entry != nullptr ? described(*entry) : ServiceUser{std::to_string(uid), uid, gid, {}};
}

/// Debian's package names it as Debian does a system user; an installation by hand, as the program.
std::optional<ServiceUser> user_of_the_unit() {
  for (const char* name : {"_holdfast", "holdfast"}) {
    if (const passwd* entry = ::getpwnam(name)) return described(*entry);
  }
  return std::nullopt;
}
// NOLINTEND(concurrency-mt-unsafe)

}  // namespace

std::optional<ServiceUser> find_service_user(const std::string& status_socket, bool own_configuration) {
  if (const auto peer = peer_of(status_socket)) {
    ServiceUser user = described(peer->uid, peer->gid);
    user.gid = peer->gid;
    if (auto groups = groups_of(peer->pid); !groups.empty()) user.groups = std::move(groups);
    return user;
  }
  if (!own_configuration) return std::nullopt;
  struct stat folder {};
  if (::stat(config::default_state_directory, &folder) == 0) return described(folder.st_uid, folder.st_gid);
  return user_of_the_unit();
}

AsUser::AsUser(const ServiceUser& user) : groups_(NGROUPS_MAX), gid_(::getegid()) {
  const int count = ::getgroups(static_cast<int>(groups_.size()), groups_.data());
  groups_.resize(static_cast<std::size_t>(std::max(count, 0)));
  const bool become =
      ::setgroups(user.groups.size(), user.groups.data()) == 0 && ::setegid(user.gid) == 0 && ::seteuid(user.uid) == 0;
  if (!become) throw std::system_error(errno, std::generic_category(), "become user " + user.name);
}

/// A process that can't be itself again is to do nothing more.
AsUser::~AsUser() {
  const bool restored = ::seteuid(0) == 0 && ::setegid(gid_) == 0 && ::setgroups(groups_.size(), groups_.data()) == 0;
  if (!restored) std::abort();
}

}  // namespace holdfast::cli
