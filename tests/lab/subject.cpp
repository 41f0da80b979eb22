#include "lab/subject.hpp"

#include <signal.h>

#include <cstdio>
#include <fstream>
#include <sstream>

namespace holdfast::lab {
namespace {

std::vector<std::string> with_ssh_arguments(std::vector<std::string> argv, const TunnelSettings& tunnel) {
  const std::vector<std::string> more = ssh_arguments(tunnel);
  argv.insert(argv.end(), more.begin(), more.end());
  return argv;
}

}  // namespace

std::vector<std::string> ssh_arguments(const TunnelSettings& tunnel) {
  const auto option = [](const std::string& name, const std::string& value) { return "-o" + name + "=" + value; };
  std::vector<std::string> arguments{"-N",
                                     "-F",
                                     "none",
                                     "-i",
                                     tunnel.identity,
                                     "-R",
                                     std::to_string(tunnel.port) + ":127.0.0.1:" + std::to_string(tunnel.target),
                                     option("Port", std::to_string(tunnel.ssh_port)),
                                     option("UserKnownHostsFile", tunnel.known_hosts),
                                     option("StrictHostKeyChecking", "yes"),
                                     option("BatchMode", "yes"),
                                     option("ExitOnForwardFailure", "yes"),
                                     option("ServerAliveInterval", std::to_string(tunnel.server_alive_interval)),
                                     option("ServerAliveCountMax", std::to_string(tunnel.server_alive_count_max)),
                                     tunnel.user + "@" + tunnel.host};
  if (!tunnel.ciphers.empty()) {
    arguments.insert(arguments.begin(), option("Ciphers", tunnel.ciphers));
  }
  return arguments;
}

std::string holdfast_config(const std::vector<TunnelSettings>& tunnels, const std::string& dir) {
  std::ostringstream text;
  text << "status_socket:\n  path: " << dir << "/status.sock\ntunnels:\n";
  unsigned number = 0;
  for (const TunnelSettings& tunnel : tunnels) {
    text << "  relay" << (number == 0 ? "" : std::to_string(number)) << ":\n    host_name: " << tunnel.host
         << "\n    port: " << tunnel.ssh_port << "\n    user: " << tunnel.user
         << "\n    identity_file: " << tunnel.identity << "\n    user_known_hosts_file: " << tunnel.known_hosts
         << "\n    strict_host_key_checking: yes\n    remote_forward:\n      - \""
         << (tunnel.listen.empty() ? "" : tunnel.listen + ":") << tunnel.port << ":"
         << (tunnel.target_socket.empty() ? "127.0.0.1:" + std::to_string(tunnel.target) : tunnel.target_socket)
         << "\"\n    server_alive_interval: " << tunnel.server_alive_interval
         << "\n    server_alive_count_max: " << tunnel.server_alive_count_max << "\n";
    if (!tunnel.ciphers.empty()) {
      text << "    ciphers: " << tunnel.ciphers << "\n";
    }
    for (const std::string& line : tunnel.more) {
      text << "    " << line << "\n";
    }
    ++number;
  }
  return text.str();
}

SubjectKind ssh_in_a_loop() {
  return {"ssh", [](const TunnelSettings& tunnel, const std::string&) {
            return test::Command{
                .argv = with_ssh_arguments({"sh", "-c", "while :; do ssh \"$@\"; sleep 5; done", "ssh"}, tunnel)};
          }};
}

SubjectKind autossh() {
  return {"autossh", [](const TunnelSettings& tunnel, const std::string&) {
            return test::Command{.argv = with_ssh_arguments({"autossh", "-M", "0"}, tunnel),
                                 .env = {{"AUTOSSH_GATETIME", "0"}}};
          }};
}

SubjectKind holdfast_at(const std::string& binary) {
  return {
      "holdfast", [binary](const TunnelSettings& tunnel, const std::string& dir) {
        test::write_file(dir + "/holdfast.yaml", holdfast_config({tunnel}, dir));
        return test::Command{.argv = {binary, "run", "-c", dir + "/holdfast.yaml"}, .env = {{"STATE_DIRECTORY", dir}}};
      }};
}

std::optional<SubjectKind> subject_kind(const std::string& name, const std::string& holdfast_binary) {
  for (SubjectKind& kind : std::vector{ssh_in_a_loop(), autossh(), holdfast_at(holdfast_binary)}) {
    if (kind.name == name) {
      return std::move(kind);
    }
  }
  return {};
}

void Subject::start() {
  test::Command command = kind_.command(settings_, dir_.path().string());
  if (own_wall_clock_) {
    set_wall_clock_off(std::chrono::seconds{0});
    command.env.merge(clock_environment());
  }
  const Host& machine = where_ == Where::device ? lab_.device() : lab_.relay();
  tree_.emplace(machine.on(std::move(command)));
}

std::string Subject::configure() {
  kind_.command(settings_, dir_.path().string());
  return dir_ / "holdfast.yaml";
}

std::map<std::string, std::string> Subject::clock_environment() const {
  return {
      {"HOLDFAST_LAB_CLOCK", dir_ / "clock"}, {"LD_PRELOAD", LAB_CLOCK}, {"ASAN_OPTIONS", "verify_asan_link_order=0"}};
}

void Subject::set_wall_clock_off(std::chrono::seconds offset) {
  // In place: the subject has the file mapped.
  const std::int64_t seconds = offset.count();
  std::fstream file(dir_ / "clock", std::ios::binary | std::ios::in | std::ios::out);
  if (!file) {
    file.open(dir_ / "clock", std::ios::binary | std::ios::out);
  }
  file.write(reinterpret_cast<const char*>(&seconds), sizeof seconds);
}

void Subject::kill9() {
  tree_->signal_all(SIGKILL);
  past_log_ += tree_->output();
  tree_.reset();
}

std::size_t Subject::resident_kib() const {
  std::size_t sum = 0;
  for (const pid_t pid : tree_->members()) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
      unsigned long kib = 0;
      if (std::sscanf(line.c_str(), "VmRSS: %lu", &kib) == 1) {
        sum += kib;
      }
    }
  }
  return sum;
}

}  // namespace holdfast::lab
