#include "setup/login.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
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

/// Holds a text while it lives, for a program that takes it from a file.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text)
      : path_((std::filesystem::temp_directory_path() / "holdfast-init-XXXXXX").string()) {
    const int descriptor = ::mkostemp(path_.data(), O_CLOEXEC);
    if (descriptor < 0) throw std::system_error(errno, std::generic_category(), path_);
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    ::close(descriptor);
    if (written == static_cast<ssize_t>(text.size())) return;
    ::unlink(path_.c_str());
    throw std::system_error(ENOSPC, std::generic_category(), path_);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

tl::expected<Installed, NotInstalled> install_key(const Login& login, const std::string& known_line,
                                                  const std::string& script) {
  const TemporaryFile known_hosts{known_line};
  std::vector<std::string> command{"ssh",
                                   "-T",
                                   "-a",
                                   "-p",
                                   std::to_string(login.port),
                                   "-l",
                                   login.user,
                                   "-o",
                                   "UserKnownHostsFile=\"" + known_hosts.path() + "\""};
  for (const char* option : {"GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes", "UpdateHostKeys=no",
                             "ClearAllForwardings=yes", "ConnectTimeout=15"}) {
    command.insert(command.end(), {"-o", option});
  }
  command.insert(command.end(), {"--", login.host, "exec sh -s"});
  const auto ended = run(command, script);
  if (!ended && ended.error() == ENOENT) {
    return tl::unexpected(
        NotInstalled{"there is no ssh on this device: apt install openssh-client, or put the line there by hand"});
  }
  if (!ended)
    return tl::unexpected(NotInstalled{"ssh can't be run: " + std::generic_category().message(ended.error())});
  const std::string answer = answer_in(ended->output);
  if (answer == "added") return Installed{Installed::How::added};
  if (answer == "there") return Installed{Installed::How::there};
  const std::string rest = answer.substr(answer.find(' ') + 1);
  if (answer.starts_with("differs ")) return Installed{Installed::How::differs, rest};
  if (answer.starts_with("failed ")) return tl::unexpected(NotInstalled{"the relay says: " + ssh::sanitize(rest)});
  if (ended->exit_status == no_login) {
    return tl::unexpected(
        NotInstalled{"ssh could not log in as " + to_string(login) +
                     " (it says why above): --install-key needs a login that works already, by a password, a key "
                     "or an agent (under sudo: sudo -E keeps SSH_AUTH_SOCK)"});
  }
  return tl::unexpected(
      NotInstalled{"the account " + to_string(login) +
                       " ran no shell for this (a forced command, nologin?): put the line there by hand",
                   true});
}

}  // namespace holdfast::setup
