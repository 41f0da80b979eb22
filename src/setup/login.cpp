#include "setup/login.hpp"

#include <cerrno>
#include <system_error>
#include <vector>

#include "setup/command.hpp"
#include "ssh/errors.hpp"

namespace holdfast::setup {
namespace {

constexpr int no_login = 255;  // ssh(1), EXIT STATUS

/// What stands behind the mark: other lines may come from the account's own start-up files.
std::string answer_in(const std::string& output) {
  const auto mark = output.rfind(install_mark);
  if (mark == std::string::npos) return "";
  const auto begin = mark + install_mark.size();
  return output.substr(begin, output.find('\n', begin) - begin);
}

}  // namespace

tl::expected<Installed, std::string> install_key(const Login& login, const std::string& known_hosts,
                                                 const std::string& script) {
  std::vector<std::string> command{"ssh",
                                   "-T",
                                   "-a",
                                   "-p",
                                   std::to_string(login.port),
                                   "-l",
                                   login.user,
                                   "-o",
                                   "UserKnownHostsFile=\"" + known_hosts + "\""};
  // UpdateHostKeys would make the file root's.
  for (const char* option : {"GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes", "UpdateHostKeys=no",
                             "ClearAllForwardings=yes", "ConnectTimeout=15"}) {
    command.insert(command.end(), {"-o", option});
  }
  command.insert(command.end(), {"--", login.host, "exec sh -s"});
  const auto ended = run(command, script);
  if (!ended && ended.error() == ENOENT) {
    return tl::unexpected<std::string>(
        "there is no ssh on this device: apt install openssh-client, or put the line there by hand");
  }
  if (!ended) return tl::unexpected("ssh can't be run: " + std::generic_category().message(ended.error()));
  const std::string answer = answer_in(ended->output);
  if (answer == "added") return Installed::added;
  if (answer == "there") return Installed::there;
  if (answer == "differs") return Installed::differs;
  if (answer.starts_with("failed "))
    return tl::unexpected("the relay says: " + ssh::sanitize(answer.substr(answer.find(' ') + 1)));
  if (ended->exit_status == no_login) {
    return tl::unexpected("ssh could not log in as " + to_string(login) +
                          " (it says why above): --install-key needs a login that works already, by a password, a key "
                          "or an agent (under sudo: sudo -E keeps SSH_AUTH_SOCK)");
  }
  return tl::unexpected("the account " + to_string(login) +
                        " ran no shell for this (a forced command, nologin?): put the line there by hand");
}

}  // namespace holdfast::setup
