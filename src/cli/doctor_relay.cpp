#include "cli/doctor_relay.hpp"

#include <algorithm>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "cli/daemon.hpp"
#include "cli/doctor_face.hpp"
#include "doctor/audit.hpp"
#include "doctor/where.hpp"
#include "status/diagnosis_text.hpp"

namespace holdfast::cli {

int audit_relay(const Options& options, std::ostream& out) {
  doctor::Audit audit;
  audit.account = options.relay.account.value_or(audit.account);
  audit.ssh_port = static_cast<std::uint16_t>(options.outside.ssh_port.value_or(0));
  const doctor::Where where = doctor::read_where(options.relay.where);
  const auto port = where.port.empty() ? std::optional<std::uint16_t>{4649} : doctor::read_port(where.port);
  if (where.login.empty()) return complain(misused, "'" + options.relay.where + "' names nobody: write USER@RELAY");
  if (!port)
    return complain(misused, "'" + where.port +
                                 "' is no port, which is from 1 to 65535: write USER@RELAY, or "
                                 "USER@RELAY:PORT with a tunnel's port");
  audit.login = where.login;
  if (!doctor::is_account_name(audit.account)) return complain(misused, "'" + audit.account + "' is no account's name");
  const auto key = doctor::device_key(options.relay.key);
  if (!key) return complain(misused, key.error());

  const status::Page page = page_of_output();
  out << "The relay, as " << audit.login << " sees it, for account " << audit.account << "\n\n" << std::flush;
  CheckResult worst = CheckResult::pass;
  const std::vector<doctor::Remark> remarks = doctor::audit_relay(audit);
  for (const doctor::Remark& remark : remarks) {
    out << status::remark(remark.result, remark.about, remark.what, remark.change, page);
    const bool unseen = remark.result == CheckResult::skip && remark.about == "settings";  // which may be wrong
    if (remark.result != CheckResult::skip || unseen)
      worst = std::max(worst, unseen ? CheckResult::warn : remark.result);
  }
  out << std::flush;
  if (remarks.size() == 1 && worst == CheckResult::fail) return 2;  // there was no login
  if (audit.account == "root") {
    out << "\nNo block for sshd_config: it would take root's terminal away. Make an account for the devices "
           "(useradd -m tunnel), and look again with --account tunnel.\n";
  } else {
    out << "\nTo paste into /etc/ssh/sshd_config.d/holdfast.conf (then: sshd -t, and reload sshd)\n\n"
        << doctor::match_block(audit.account);
  }
  out << "\nA line a device in the account's authorized_keys (and on the relay: holdfast relay-script --help)\n\n"
      << doctor::key_line(*port, *key, "DEVICE") << '\n'
      << std::flush;
  return worst == CheckResult::fail ? 2 : worst == CheckResult::warn ? 1 : 0;
}

}  // namespace holdfast::cli
