#include "lab/relay.hpp"

#include <signal.h>
#include <unistd.h>

#include <stdexcept>

#include "support/wait.hpp"

namespace holdfast::lab {

Relay::Relay(Lab& lab, const RelayOptions& options) : lab_(lab) {
  using test::read_file;
  using test::write_file;
  for (const char* key : {"host", "client"}) {
    test::run_checked({.argv = {"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", dir_ / key}});
  }
  write_file(known_hosts(),
             std::string(Lab::relay_name) + "," + Lab::relay_address + " " + read_file(dir_ / "host.pub"));
  lab.set_relay_shell(options.shell);
  const std::string authorized = lab.relay_home() + "/.ssh/authorized_keys";
  const std::string before_key = options.key_options.empty() ? "" : options.key_options + " ";
  write_file(authorized, before_key + read_file(dir_ / "client.pub"), 0644);
  std::string config;
  for (const std::string& line : options.config) config += line + "\n";
  config += "HostKey " + (dir_ / "host") + "\nUsePAM no\nPidFile none\nLogLevel VERBOSE\n";
  if (options.client_alive) {
    config += "ClientAliveInterval " + std::to_string(*options.client_alive) + "\nClientAliveCountMax 3\n";
  }
  write_file(dir_ / "sshd_config", config);
  start();
}

void Relay::start() {
  sshd_.emplace(lab_.relay().on({.argv = {"/usr/sbin/sshd", "-D", "-e", "-f", dir_ / "sshd_config"}}));
  const bool up = test::wait_until(
      [this] { return listener_inode(lab_.relay(), Lab::ssh_port).has_value() || !sshd_->root_running(); });
  if (!up || !sshd_->root_running()) {
    throw std::runtime_error("the relay's sshd does not start: " + sshd_->output());
  }
}

void Relay::terminate() {
  sshd_->signal_all(SIGTERM);
  if (!test::wait_until([this] { return sshd_->members().empty(); })) {
    throw std::runtime_error("the relay's sshd does not end");
  }
  kill();
}

void Relay::kill() {
  sshd_->signal_all(SIGKILL);
  past_log_ += sshd_->output();
  sshd_.reset();
}

void Relay::freeze() {
  sshd_->signal_all(SIGSTOP);
}

void Relay::thaw() {
  sshd_->signal_all(SIGCONT);
}

std::string Relay::log() const {
  return past_log_ + (sshd_ ? sshd_->output() : "");
}

std::size_t Relay::connections() const {
  const std::string text = log();
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find("Connection from ", at)) != std::string::npos; ++at) {
    ++count;
  }
  return count;
}

}  // namespace holdfast::lab
