#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "support/account.hpp"
#include "support/process.hpp"
#include "support/relay_server.hpp"
#include "support/sshd.hpp"

namespace holdfast::test {

/// A relay that is a program of our own: `COMMAND PORT HOST_KEY AUTHORIZED_KEYS OPTION...`, run as an Account.
class RelayProgram : public RelayServer {
 public:
  explicit RelayProgram(std::vector<std::string> command, std::vector<std::string> options = {});

  std::uint16_t port() const override { return port_; }
  const std::string& user() const override { return account_.name(); }
  std::string home() const override { return account_.home(); }
  std::string known_hosts() const override;
  void start() final;
  void stop() override { tree_.reset(); }
  std::string log() const override { return tree_->output(); }

 private:
  Account account_;
  std::uint16_t port_;
  std::vector<std::string> argv_;
  std::optional<ProcessTree> tree_;
};

/// An sshd that is reached through something else, which stays when that is stopped.
class Behind : public RelayServer {
 public:
  /// The command of what listens on `port` and leads to `sshd_port`, both of 127.0.0.1; it may keep files in `dir`.
  using Front =
      std::function<std::vector<std::string>(std::uint16_t port, std::uint16_t sshd_port, const TempDir& dir)>;
  explicit Behind(const Front& front);

  std::uint16_t port() const override { return port_; }
  const std::string& user() const override { return sshd_.user(); }
  std::string home() const override { return sshd_.home(); }
  std::string known_hosts() const override { return sshd_.known_hosts(port_); }
  void start() override { sshd_.start(); }
  void stop() override { sshd_.stop(); }
  std::string log() const override { return front_->output() + sshd_.log(); }

 private:
  Sshd sshd_;
  std::uint16_t port_;
  TempDir dir_;
  std::optional<ProcessTree> front_;
};

std::vector<std::string> sslh(std::uint16_t port, std::uint16_t sshd_port, const TempDir& dir);
std::vector<std::string> socat(std::uint16_t port, std::uint16_t sshd_port, const TempDir& dir);
/// `patience` is for `timeout client` and `timeout server`: "50s", as in Debian's haproxy.cfg. `more`: a line.
Behind::Front haproxy(const std::string& patience, const std::string& more = "");

}  // namespace holdfast::test
