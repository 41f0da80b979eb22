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

}  // namespace

Account::Account(std::string name) : name_(std::move(name)), id_(relay_id()) {
  hand_over(dir_.path(), id_);
  std::filesystem::create_directories(home() + "/.ssh");
  for (const std::string& path : {home(), home() + "/.ssh"}) {
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    hand_over(path, id_);
  }
  write("group", name_ + ":x:" + std::to_string(id_.gid) + ":\n", 0644);
  set_locked(false);
}

void Account::set_locked(bool locked) {
  const std::string ids = std::to_string(id_.uid) + ":" + std::to_string(id_.gid);
  write("passwd", name_ + (locked ? ":!:" : ":x:") + ids + "::" + home() + ":/bin/sh\n", 0644);
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
  if (::geteuid() == 0) {
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
