#include "support/dropbear.hpp"

#include <signal.h>

#include <stdexcept>

#include "support/net.hpp"

namespace holdfast::test {

Dropbear::Dropbear(std::vector<std::string> flags, Place place, bool knows_localhost)
    : flags_(std::move(flags)), account_("tunnel", std::move(place)), port_(free_port()) {
  account_.set_knows_localhost(knows_localhost);
  std::string keys;
  for (const std::string& key : all_client_public_keys()) {
    keys += key + "\n";
  }
  account_.write("home/.ssh/authorized_keys", keys);
  const std::string host_key = account_.dir() / "host_key";
  const std::string output = run_checked(account_.command({"dropbearkey", "-t", "ed25519", "-f", host_key}));
  const std::size_t key = output.find("ssh-ed25519 ");
  if (key == std::string::npos) {
    throw std::runtime_error("dropbearkey shows no public key: " + output);
  }
  host_key_line_ = output.substr(key, output.find_first_of(" \n", output.find(' ', key) + 1) - key);
  start();
}

void Dropbear::start() {
  std::vector<std::string> argv{"/usr/sbin/dropbear",
                                "-F",
                                "-E",
                                "-p",
                                host() + ":" + std::to_string(port_),
                                "-r",
                                account_.dir() / "host_key",
                                "-P",
                                account_.dir() / "pid"};
  argv.insert(argv.end(), flags_.begin(), flags_.end());
  tree_.emplace(account_.command(argv));
  const bool up = wait_until([this] { return is_listening(port_) || !tree_->root_running(); });
  if (!up || !tree_->root_running()) {
    throw std::runtime_error("dropbear did not start (are dropbear-bin and libnss-wrapper installed?): " + log());
  }
}

void Dropbear::stop() {
  tree_.reset();
}
void Dropbear::freeze() {
  tree_->signal_all(SIGSTOP);
}
void Dropbear::thaw() {
  tree_->signal_all(SIGCONT);
}
std::string Dropbear::log() const {
  return tree_->output();
}

std::string Dropbear::known_hosts() const {
  return "[" + host() + "]:" + std::to_string(port_) + " " + host_key_line_ + "\n";
}

}  // namespace holdfast::test
