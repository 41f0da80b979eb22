#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "support/account.hpp"
#include "support/keys.hpp"
#include "support/process.hpp"
#include "support/relay_server.hpp"

namespace holdfast::test {

struct SshdOptions {
  std::vector<std::string> config{};  ///< lines of sshd_config; they win over ours (sshd takes the first value)
  std::optional<std::vector<std::string>> authorized_keys{};  ///< lines; none: all_client_public_keys()
  std::vector<KeyType> host_keys{KeyType::ed25519, KeyType::ecdsa, KeyType::rsa};
  int host_key_set = 0;  ///< see host_key()
  bool ipv6 = false;     ///< listens on ::1 too
  bool knows_localhost = true;
  Place place{};
};

/// Whether this OpenSSH has the option: a line of sshd_config.
bool sshd_knows(const std::string& line);

/// A real OpenSSH server on the loopback, as the relay. It runs as an Account, so without privileges: no chroot, no
/// /run/sshd, no PAM, every session under the account's own uid; forwarding, authorized_keys and limits are as on any
/// relay. Starts at once.
class Sshd : public RelayServer {
 public:
  explicit Sshd(SshdOptions options = {});

  std::uint16_t port() const override { return port_; }
  const std::string& user() const override { return account_.name(); }
  std::string home() const override { return account_.home(); }
  Account& account() { return account_; }
  SshdOptions& options() { return options_; }  ///< takes effect at the next start()

  void start() final;
  void stop() override;
  void restart();
  bool running() const;

  void kill_listener();                 ///< SIGKILL; sessions live on
  void kill_sessions();                 ///< SIGKILL to each process but the listener
  std::vector<pid_t> sessions() const;  ///< sshd's processes of sessions; two for each, privileged and not
  std::vector<pid_t> commands() const;  ///< the processes that sessions started, also when their sshd is gone
  void freeze();                        ///< SIGSTOP to all: the kernel still acknowledges, nobody answers
  void thaw();

  /// Everything since the first start.
  std::string log() const override;
  bool log_has(const std::string& text) const { return log().find(text) != std::string::npos; }

  std::string known_hosts() const override { return known_hosts(port_); }
  /// The same for who reaches it at another port.
  std::string known_hosts(std::uint16_t port) const;
  /// `ssh -F none OPTIONS user@host COMMAND`, with the ed25519 client key and these known hosts. OPTIONS win.
  std::vector<std::string> ssh_command(std::vector<std::string> options, const std::string& command = "") const;

 private:
  std::vector<pid_t> descendants(bool of_sshd) const;
  std::string log_path() const { return account_.dir() / "log"; }
  std::string config_text() const;

  SshdOptions options_;
  Account account_;
  std::uint16_t port_;
  std::optional<ProcessTree> tree_;
};

}  // namespace holdfast::test
