#include "relays/programs.hpp"

#include <stdexcept>

#include "support/keys.hpp"
#include "support/net.hpp"

namespace holdfast::test {
namespace {

void wait_until_up(const ProcessTree& tree, std::uint16_t port) {
  const bool up = wait_until([&] { return is_listening(port) || !tree.root_running(); });
  if (!up || !tree.root_running()) throw std::runtime_error("it did not start: " + tree.output());
}

std::string at(std::uint16_t port) {
  return "127.0.0.1:" + std::to_string(port);
}

}  // namespace

RelayProgram::RelayProgram(std::vector<std::string> command, std::vector<std::string> options)
    : port_(free_port()), argv_(std::move(command)) {
  std::string keys;
  for (const std::string& key : all_client_public_keys()) keys += key + "\n";
  argv_.insert(argv_.end(), {std::to_string(port_), account_.write("host_key", read_file(host_key(KeyType::ed25519))),
                             account_.write("authorized_keys", keys)});
  argv_.insert(argv_.end(), options.begin(), options.end());
  start();
}

void RelayProgram::start() {
  tree_.emplace(account_.command(argv_));
  wait_until_up(*tree_, port_);
}

std::string RelayProgram::known_hosts() const {
  return "[" + host() + "]:" + std::to_string(port_) + " " + public_key(host_key(KeyType::ed25519)) + "\n";
}

Behind::Behind(const Front& front) : port_(free_port()) {
  front_.emplace(Command{front(port_, sshd_.port(), dir_)});
  wait_until_up(*front_, port_);
}

std::vector<std::string> sslh(std::uint16_t port, std::uint16_t sshd_port, const TempDir& dir) {
  return {"sslh", "--foreground", "--listen", at(port), "--ssh", at(sshd_port), "--pidfile", dir / "pid"};
}

std::vector<std::string> socat(std::uint16_t port, std::uint16_t sshd_port, const TempDir&) {
  return {"socat", "TCP-LISTEN:" + std::to_string(port) + ",bind=127.0.0.1,reuseaddr,fork", "TCP:" + at(sshd_port)};
}

Behind::Front haproxy(const std::string& patience, const std::string& more) {
  return [patience, more](std::uint16_t port, std::uint16_t sshd_port, const TempDir& dir) {
    std::string config = "defaults\n  mode tcp\n  timeout connect 5s\n";
    config += "  timeout client " + patience + "\n  timeout server " + patience + "\n  " + more + "\n";
    config += "listen ssh\n  bind " + at(port) + "\n  server sshd " + at(sshd_port) + "\n";
    write_file(dir / "haproxy.cfg", config);
    return std::vector<std::string>{"haproxy", "-db", "-f", dir / "haproxy.cfg"};
  };
}

}  // namespace holdfast::test
