#include "traffic/client.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "support/wait.hpp"
#include "traffic/content.hpp"

namespace holdfast::bench {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> argv_of(std::vector<std::string> first, const std::vector<std::string>& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

double nanoseconds_on_cpu(pid_t pid) {
  double sum = 0;
  std::error_code gone;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    std::ifstream file(task.path() / "schedstat");
    double nanoseconds = 0;
    if (!(file >> nanoseconds)) {
      throw std::runtime_error("no schedstat of process " + std::to_string(pid));
    }
    sum += nanoseconds;
  }
  return sum;
}

}  // namespace

std::string name_of(Program program) {
  switch (program) {
    case Program::ssh:
      return "ssh";
    case Program::autossh:
      return "autossh";
    case Program::holdfast:
      return "holdfast";
  }
  return "";
}

Client::Client(const Bed& bed, Program program, const ClientOptions& options) : bed_(bed) {
  std::vector<lab::TunnelSettings> tunnels;
  for (unsigned i = 0; i < options.tunnels; ++i) {
    tunnels.push_back(bed.tunnel());
    tunnels.back().ciphers = options.ciphers;
    tunnels.back().more = options.more;
    ports_.push_back(tunnels.back().port);
  }
  tunnels.insert(tunnels.end(), options.beside.begin(), options.beside.end());
  start(program, tunnels, options.holdfast);
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    const bool up = test::wait_until(
        [&] {
          check_alive();
          return bed_.listening(ports_[i]);
        },
        30s);
    if (!up) {
      throw std::runtime_error("no tunnel within 30 s; the relay says:\n" + bed_.relay_log());
    }
    visit(i).close();
  }
}

void Client::start(Program program, const std::vector<lab::TunnelSettings>& tunnels, const std::string& binary) {
  const auto run = [this](test::Command command) {
    trees_.push_back(std::make_unique<test::ProcessTree>(bed_.on_device(std::move(command))));
  };
  if (program == Program::holdfast) {
    test::write_file(dir_ / "holdfast.yaml", lab::holdfast_config(tunnels, dir_.path().string()));
    run({.argv = {binary, "run", "-c", dir_ / "holdfast.yaml"}, .env = {{"STATE_DIRECTORY", dir_.path().string()}}});
    return;
  }
  for (const lab::TunnelSettings& tunnel : tunnels) {
    if (program == Program::autossh) {
      run({.argv = argv_of({"autossh", "-M", "0"}, lab::ssh_arguments(tunnel)), .env = {{"AUTOSSH_GATETIME", "0"}}});
    } else {
      run({.argv = argv_of({"ssh"}, lab::ssh_arguments(tunnel))});
    }
  }
}

test::Socket Client::visit(std::size_t tunnel) const {
  test::Socket socket = bed_.visit(port(tunnel));
  if (socket.receive_exactly(greeting.size()) != greeting) {
    throw std::runtime_error("no greeting through the tunnel");
  }
  return socket;
}

void Client::check_alive() const {
  for (const auto& tree : trees_) {
    if (!tree->root_running()) {
      throw std::runtime_error("the client has ended: " + tree->output());
    }
  }
}

std::vector<pid_t> Client::processes() const {
  check_alive();
  std::vector<pid_t> all;
  for (const auto& tree : trees_) {
    const std::vector<pid_t> some = tree->members();
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

double Client::cpu_seconds() const {
  double nanoseconds = 0;
  for (const pid_t pid : processes()) {
    nanoseconds += nanoseconds_on_cpu(pid);
  }
  return nanoseconds / 1e9;
}

Memory Client::memory() const {
  Memory memory;
  for (const pid_t pid : processes()) {
    std::ifstream sums("/proc/" + std::to_string(pid) + "/smaps_rollup");
    for (std::string line; std::getline(sums, line);) {
      double kib = 0;
      if (std::sscanf(line.c_str(), "Pss: %lf", &kib) == 1) {
        memory.proportional += kib;
      } else if (std::sscanf(line.c_str(), "Anonymous: %lf", &kib) == 1) {
        memory.anonymous += kib;
      }
    }
  }
  return memory;
}

std::size_t Client::descriptors() const {
  std::size_t count = 0;
  for (const pid_t pid : processes()) {
    const std::filesystem::directory_iterator open("/proc/" + std::to_string(pid) + "/fd");
    count += static_cast<std::size_t>(std::distance(begin(open), end(open)));
  }
  return count;
}

}  // namespace holdfast::bench
