// The table "Accounts" of docs/relays.md: what an account on an OpenSSH relay may be like.
#include <doctest/doctest.h>
#include <unistd.h>

#include "relay/script.hpp"
#include "relays/row.hpp"

using namespace holdfast::test;

namespace {

void with_shell(const std::string& shell, const std::string& rc = "", const std::string& rc_text = "") {
  if (!installed({shell})) return;
  Sshd relay;
  relay.account().set_shell(shell);
  if (!rc.empty()) relay.account().write("home/" + rc, rc_text, 0644);
  account_row(relay);
}

void with_config(const std::vector<std::string>& config) {
  Sshd relay({.config = config});
  account_row(relay);
}

/// A ForceCommand that is this script.
void forced(const std::string& script) {
  Sshd relay;
  relay.options().config = {"ForceCommand " + relay.account().write("forced", script, 0755)};
  relay.restart();
  account_row(relay);
}

/// An sshd of root's, as a relay has it, after `setup`.
void as_root(const std::string& setup, const std::vector<std::string>& config = {}) {
  if (::geteuid() != 0) return skip("only root can set this up");
  Sshd relay({.config = config,
              .place = {.setup = "mount -t tmpfs -o mode=755 tmpfs /run; mkdir /run/sshd; " + setup, .as_root = true}});
  account_row(relay);
}

}  // namespace

TEST_CASE("dash") {
  with_shell("/bin/dash");
}
TEST_CASE("dash below an sshd of root") {
  as_root("");
}
TEST_CASE("bash with a .bashrc that prints") {
  with_shell("/bin/bash", ".bashrc", "echo Welcome; echo oops >&2\n");
}
TEST_CASE("zsh") {
  with_shell("/usr/bin/zsh");
}
TEST_CASE("fish") {
  with_shell("/usr/bin/fish");
}
TEST_CASE("tcsh") {
  with_shell("/usr/bin/tcsh");
}
TEST_CASE("rbash") {
  with_shell("/bin/rbash");
}
TEST_CASE("nologin") {
  with_shell("/usr/sbin/nologin");
}
TEST_CASE("ForceCommand relay-script") {
  forced(std::string(holdfast::relay::script()));
}
TEST_CASE("ForceCommand that runs $SSH_ORIGINAL_COMMAND") {
  forced("#!/bin/sh\nexec $SHELL -c \"$SSH_ORIGINAL_COMMAND\"\n");
}
TEST_CASE("ForceCommand that prints and ends") {
  forced("#!/bin/sh\necho This account is for tunnels only.\n");
}
TEST_CASE("ForceCommand that stays and is silent") {
  forced("#!/bin/sh\nexec sleep 1000000\n");
}
TEST_CASE("ForceCommand internal-sftp") {
  with_config({"ForceCommand internal-sftp"});
}
TEST_CASE("MaxSessions 0") {
  with_config({"MaxSessions 0"});
}
TEST_CASE("PermitOpen none") {
  with_config({"PermitOpen none"});
}
TEST_CASE("ChrootDirectory without a shell") {
  as_root("mkdir /run/jail", {"ChrootDirectory /run/jail"});
}
TEST_CASE("hidepid=2 on /proc") {
  as_root("mount -t proc -o hidepid=2 proc /proc");
}
