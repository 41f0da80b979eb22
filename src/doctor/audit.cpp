#include "doctor/audit.hpp"

#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include "doctor/shared_login.hpp"
#include "setup/command.hpp"
#include "ssh/key_pair.hpp"

namespace holdfast::doctor {

tl::expected<PublicKey, std::string> device_key(const std::string& path) {
  if (path.empty()) return PublicKey{"ssh-ed25519", "AAAA..."};
  std::ifstream file(path);
  PublicKey key;
  if (!file || !(file >> key.type >> key.base64)) return tl::unexpected("can't read a key in " + path);
  if (key.type.starts_with("-----")) return ssh::public_half(path);
  for (const char* const type : {"ssh-", "ecdsa-", "sk-"}) {
    if (key.type.starts_with(type) && key.base64.starts_with("AAAA")) return key;
  }
  return tl::unexpected(path + " holds no key");
}

std::vector<Remark> audit_relay(const Audit& audit) {
  const SharedLogin login{audit.login, audit.ssh_port};
  const std::string log_file = login.folder() + "/log";
  auto words = login.ssh();
  words.insert(words.end(), {"-o", "LogLevel=DEBUG1", "-E", log_file, "--", audit.login, "exec sh -s"});
  const auto ended = setup::run(words, audit_script(audit.account));
  if (!ended)
    return {{CheckResult::fail, "login",
             "ssh can't be run: " + std::generic_category().message(ended.error()) + ". apt install openssh-client"}};
  std::ifstream file(log_file);
  const std::string log{std::istreambuf_iterator<char>{file}, {}};
  RelaySeen seen = read_audit(ended->output, audit.account);
  seen.banner = banner_of(log);
  if (seen.ran || ended->exit_status != SharedLogin::refused) return judge_relay(seen);
  std::string why;  // what ssh would have said on the terminal
  std::istringstream lines{log};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("debug1: ") && line.find_first_not_of("\r ") != std::string::npos) why = line;
  }
  return {{CheckResult::fail, "login",
           "ssh does not get in as " + audit.login + ": " + why.substr(0, why.find_last_not_of("\r.") + 1) +
               ". Log in by hand first: ssh " +
               (audit.ssh_port == 0 ? "" : "-p " + std::to_string(audit.ssh_port) + " ") + audit.login}};
}

}  // namespace holdfast::doctor
