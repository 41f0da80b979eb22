#pragma once

#include <string>

#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::test {

/// Where an account's processes run. All but the default needs the tests to run as root.
struct Place {
  std::string root{};   ///< below this directory, another Debian (tools/relay-root), which sees the account's files too
  std::string setup{};  ///< after these commands of root's shell, in a mount namespace of their own
  bool as_root = false;  ///< as root, like a relay's sshd, whose sessions change to the account by themselves
};

/// A Unix account that exists only for the processes started with it: nss_wrapper (Debian's libnss-wrapper, preloaded)
/// gives them a passwd and a group file of our own. So a relay runs without privileges, with a home and a login shell,
/// also where the tests run as root, as CI does: the processes then drop to a uid that is otherwise unused. A normal
/// user's tests run it under that user's own uid. Libssh's own tests do it this way.
class Account {
 public:
  explicit Account(std::string name = "tunnel", Place place = {});

  const std::string& name() const { return name_; }
  std::string home() const { return dir_ / "home"; }
  const TempDir& dir() const { return dir_; }  ///< owned by the account

  void set_locked(bool locked);  ///< passwd's password field "!", which sshd (UsePAM no) takes for a locked account
  void set_shell(const std::string& path);

  void set_knows_localhost(bool knows);  ///< or its processes can't look that up; the next ones

  /// Runs argv as this account.
  Command command(std::vector<std::string> argv) const;
  /// A file in dir() that belongs to the account.
  std::string write(const std::string& name, std::string_view content, unsigned mode = 0600) const;

 private:
  void write_passwd() const;

  std::string name_;
  Place place_;
  UserId id_;
  bool locked_ = false;
  std::string shell_ = "/bin/sh";
  TempDir dir_;
  std::string preloaded_ = "libnss_wrapper.so";
};

}  // namespace holdfast::test
