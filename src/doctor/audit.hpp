#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "holdfast/diagnosis.hpp"
#include "holdfast/public_key.hpp"

/// Whether a relay is set up so that it lets go of dead sessions, keeps living ones, and permits no more than it has
/// to.
namespace holdfast::doctor {

struct Audit {
  std::string login;               ///< "user@relay", as ssh(1) takes it: who may see how sshd is set up
  std::uint16_t ssh_port = 0;      ///< of the relay's sshd; 0: as ssh's own configuration says
  std::string account = "tunnel";  ///< that the devices log in to
};

struct Remark {
  CheckResult result{};
  std::string about;                  ///< "dead session"
  std::string what;                   ///< what was seen, and why it matters
  std::vector<std::string> change{};  ///< lines, of sshd_config if nothing else is said
};

/// A public key's file, or a private one's, of which the other half is taken. Without a path, a place for a key.
tl::expected<PublicKey, std::string> device_key(const std::string& path);

/// Logs in as look_from_outside() does, and changes nothing there. Blocks.
std::vector<Remark> audit_relay(const Audit& audit);

// ---- pure -----------------------------------------------------------------------------------------------------------

/// A name that stands in the script as it is.
bool is_account_name(std::string_view name);

/// What a POSIX shell on the relay is to run; each line of what it prints begins with audit_mark.
std::string audit_script(const std::string& account);
inline constexpr std::string_view audit_mark = "holdfast-audit: ";

struct RelaySeen {
  std::string account;     ///< that was asked for
  std::string banner;      ///< "OpenSSH_9.2p1 Debian-2+deb12u7"; empty: not seen
  bool ran = false;        ///< a shell ran the script
  std::string user;        ///< who logged in
  std::string entry;       ///< of the account, as passwd(5) has it; empty: there is none
  bool effective = false;  ///< the settings are sshd's own word (sshd -T)
  /// By keyword in lower case. Of files those that are in force for the account, as far as that can be told.
  std::map<std::string, std::string> settings{};
  std::vector<std::string> unclear{};    ///< files that can't be read, and Match lines that can't be judged
  std::vector<std::string> key_files{};  ///< of the account that were read
  std::vector<std::string> keys{};       ///< their lines
  unsigned connections = 0;              ///< that stand at this sshd's port
  unsigned from_busiest = 0;             ///< of them, from one address
  std::string busiest{};
};
/// Whatever else the account's own files print.
RelaySeen read_audit(const std::string& output, const std::string& account);
/// "OpenSSH_9.2p1" of what `ssh` logged (LogLevel DEBUG1).
std::string banner_of(const std::string& log);

/// From what is worst for a tunnel on.
std::vector<Remark> judge_relay(const RelaySeen& seen);

/// The Match block for sshd_config, as etc/relay has it.
std::string match_block(const std::string& account);
/// The line of authorized_keys for one device that listens at localhost:`port`.
std::string key_line(std::uint16_t port, const PublicKey& key, const std::string& device);

}  // namespace holdfast::doctor
