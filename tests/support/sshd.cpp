#include "support/sshd.hpp"

#include <signal.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "support/net.hpp"

namespace holdfast::test {

bool sshd_knows(const std::string& line) {
  const Finished parsed = run({{"/usr/sbin/sshd", "-t", "-f", "/dev/null", "-o", line}});
  return parsed.errors.find("Bad configuration option") == std::string::npos;
}

Sshd::Sshd(SshdOptions options) : options_(std::move(options)), account_("tunnel", options_.place), port_(free_port()) {
  account_.write("log", "", 0644);
  start();
}

std::string Sshd::config_text() const {
  std::ostringstream text;
  for (const std::string& line : options_.config) {
    if (line.rfind("Match", 0) != 0) {
      text << line << '\n';
    }
  }
  text << "Port " << port_ << "\nListenAddress 127.0.0.1\n";
  if (options_.ipv6) {
    text << "ListenAddress ::1\n";
  }
  int number = 0;
  for (const KeyType type : options_.host_keys) {
    const std::string name = "host_key_" + std::to_string(number++);
    text << "HostKey " << account_.write(name, read_file(host_key(type, options_.host_key_set))) << '\n';
  }
  std::string keys;
  for (const std::string& line : options_.authorized_keys ? *options_.authorized_keys : all_client_public_keys()) {
    keys += line + "\n";
  }
  text << "AuthorizedKeysFile " << account_.write("authorized_keys", keys) << '\n'
       << "StrictModes no\nUsePAM no\nPidFile none\nLogLevel VERBOSE\nUseDNS no\nPrintMotd no\n";
  return text.str();
}

void Sshd::start() {
  account_.set_knows_localhost(options_.knows_localhost);
  const std::string config = account_.write("sshd_config", config_text());
  // Absolute paths: sshd changes to / and then runs itself again for each connection.
  tree_.emplace(account_.command({"/usr/sbin/sshd", "-D", "-f", config, "-E", log_path()}));
  const bool up = wait_until([this] { return is_listening(port_) || !tree_->root_running(); });
  if (!up || !tree_->root_running()) {
    throw std::runtime_error(
        "sshd did not start (are openssh-server and libnss-wrapper installed?): " + tree_->output() + log());
  }
}

void Sshd::stop() {
  tree_.reset();
}

void Sshd::restart() {
  stop();
  start();
}

bool Sshd::running() const {
  return tree_ && tree_->root_running();
}

void Sshd::kill_listener() {
  ::kill(tree_->root(), SIGKILL);
  if (!wait_until([this] { return !tree_->root_running(); })) {
    throw std::runtime_error("sshd survived SIGKILL");
  }
}

void Sshd::kill_sessions() {
  for (const pid_t pid : tree_->descendants()) {
    ::kill(pid, SIGKILL);
  }
}

std::vector<pid_t> Sshd::sessions() const {
  return descendants(true);
}

std::vector<pid_t> Sshd::commands() const {
  return descendants(false);
}

std::vector<pid_t> Sshd::descendants(bool of_sshd) const {
  std::vector<pid_t> found = tree_->descendants();
  std::erase_if(found, [&](pid_t pid) {
    std::ifstream comm("/proc/" + std::to_string(pid) + "/comm");
    std::string name;
    // One that has ended meanwhile is neither.
    return !std::getline(comm, name) || (name.rfind("sshd", 0) == 0) != of_sshd;
  });
  return found;
}

void Sshd::freeze() {
  tree_->signal_all(SIGSTOP);
}

void Sshd::thaw() {
  tree_->signal_all(SIGCONT);
}

std::string Sshd::log() const {
  return read_file(log_path());
}

std::string Sshd::known_hosts(std::uint16_t port) const {
  std::string lines;
  for (const KeyType type : options_.host_keys) {
    lines +=
        "[" + host() + "]:" + std::to_string(port) + " " + public_key(host_key(type, options_.host_key_set)) + "\n";
  }
  return lines;
}

std::vector<std::string> Sshd::ssh_command(std::vector<std::string> options, const std::string& command) const {
  const std::string known = account_.write("known_hosts", known_hosts(), 0644);
  std::vector<std::string> argv{"ssh", "-F", "none"};
  argv.insert(argv.end(), options.begin(), options.end());
  for (const std::string& ours : {"UserKnownHostsFile=" + known, std::string("BatchMode=yes"),
                                  std::string("IdentitiesOnly=yes"), "IdentityFile=" + client_key()}) {
    argv.insert(argv.end(), {"-o", ours});
  }
  argv.insert(argv.end(), {"-p", std::to_string(port_), user() + "@" + host()});
  if (!command.empty()) {
    argv.push_back(command);
  }
  return argv;
}

}  // namespace holdfast::test
