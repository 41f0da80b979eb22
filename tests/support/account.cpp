#include "support/account.hpp"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace holdfast::test {
namespace {

constexpr uid_t unused_id = 64022;

UserId relay_id() {
  return ::geteuid() == 0 ? UserId{unused_id, unused_id} : UserId{::geteuid(), ::getegid()};
}

void hand_over(const std::string& path, const UserId& id) {
  if (::chown(path.c_str(), id.uid, id.gid) != 0) {
    throw std::system_error(errno, std::generic_category(), "chown " + path);
  }
}

/// In a mount namespace of its own. A root sees the kernel's file systems and the account's directory as they are
/// outside, and nothing of it is written to.
constexpr const char* enter = R"(
  setup=$1 root=$2 dir=$3 ids=$4
  shift 4
  if [ "$root" ]; then
    mkdir -p "$root${dir%/*}"
    mount -t tmpfs tmpfs "$root${dir%/*}"
    mkdir "$root$dir"
    for place in /dev /proc "$dir"; do mount --rbind "$place" "$root$place"; done
  fi
  eval "$setup"
  exec chroot --userspec="$ids" --groups="${ids#*:}" "${root:-/}" "$@"
)";

std::string both(const UserId& id) {
  return std::to_string(id.uid) + ":" + std::to_string(id.gid);
}

}  // namespace

Account::Account(std::string name, Place place) : name_(std::move(name)), place_(std::move(place)), id_(relay_id()) {
  hand_over(dir_.path(), id_);
  std::filesystem::create_directories(home() + "/.ssh");
  for (const std::string& path : {home(), home() + "/.ssh"}) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    hand_over(path, id_);
  }
  write("group", name_ + ":x:" + std::to_string(id_.gid) + ":\n", 0644);
  write_passwd();
}

void Account::set_locked(bool locked) {
  locked_ = locked;
  write_passwd();
}

void Account::set_shell(const std::string& path) {
  shell_ = path;
  write_passwd();
}

/// Root and sshd are for an sshd that runs as root.
void Account::write_passwd() const {
  write("passwd",
        name_ + (locked_ ? ":!:" : ":x:") + both(id_) + "::" + home() + ":" + shell_ + "\n" +
            "root:x:0:0::/root:/bin/sh\nsshd:x:64021:64021::/run/sshd:/usr/sbin/nologin\n",
        0644);
}

void Account::set_knows_localhost(bool knows) {
  preloaded_ = "libnss_wrapper.so";
  // A copy, for the build may be where this account may not go.
  if (!knows) preloaded_ = write("no_localhost.so", read_file(NO_LOCALHOST), 0755) + " " + preloaded_;
}

Command Account::command(std::vector<std::string> argv) const {
  Command command;
  command.argv = std::move(argv);
  command.env = {{"LD_PRELOAD", preloaded_},
                 {"NSS_WRAPPER_PASSWD", dir_ / "passwd"},
                 {"NSS_WRAPPER_GROUP", dir_ / "group"},
                 {"HOME", home()}};
  const bool in_place = !place_.root.empty() || !place_.setup.empty() || place_.as_root;
  if (in_place) {
    const std::vector<std::string> outer{
        "unshare", "--mount", "--propagation", "private",   "sh",        "-ec",
        enter,     "sh",      place_.setup,    place_.root, dir_.path(), both(place_.as_root ? UserId{} : id_)};
    command.argv.insert(command.argv.begin(), outer.begin(), outer.end());
  } else if (::geteuid() == 0) {
    command.run_as = id_;
  }
  return command;
}

std::string Account::write(const std::string& name, std::string_view content, unsigned mode) const {
  std::string path = dir_ / name;
  write_file(path, content, mode);
  hand_over(path, id_);
  return path;
}

}  // namespace holdfast::test
