#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace holdfast::test {

using Json = nlohmann::json;

/// The path of the program under test.
std::string holdfast_binary();

/// One entry of `tunnels:`. Values are YAML, written as they are.
struct Tunnel {
  /// Reaches `relay` (an Sshd or a Dropbear) with the client key and its known host keys, strictly, and fails fast:
  /// phases of 5 s at most, waits of 1 s at most.
  template <typename Relay>
  static Tunnel to(const Relay& relay, std::string name = "relay") {
    return to(relay.host(), relay.port(), relay.user(), relay.known_hosts(), std::move(name));
  }
  static Tunnel to(const std::string& host, std::uint16_t port, const std::string& user, std::string known_hosts,
                   std::string name = "relay");

  Tunnel& set(const std::string& key, const std::string& value);
  /// "4649:localhost:22"
  Tunnel& forward(const std::string& remote_forward);

  std::string name;
  std::string known_hosts;  ///< content of the file that user_known_hosts_file names, unless set()
  std::map<std::string, std::string> keys;
  std::vector<std::string> forwards;
};

/// The real program, run as a user would. Its destructor ends it with SIGTERM, and the test case fails unless it then
/// exits 0 without a sanitizer's word. When a check fails, its log is shown.
class Holdfast {
 public:
  /// Returns when its status socket answers. `wrapper` is a command that runs the one behind it, like env(1), in its
  /// own process.
  explicit Holdfast(const std::vector<Tunnel>& tunnels, std::map<std::string, std::string> env = {},
                    std::vector<std::string> wrapper = {});
  explicit Holdfast(const Tunnel& tunnel) : Holdfast(std::vector<Tunnel>{tunnel}) {}
  ~Holdfast();
  Holdfast(const Holdfast&) = delete;
  Holdfast& operator=(const Holdfast&) = delete;

  void write_config(const std::vector<Tunnel>& tunnels) const;
  void write_config_text(const std::string& text) const;
  /// A file of the configuration's conf.d.
  void write_drop_in(const std::string& name, const std::vector<Tunnel>& tunnels) const;
  std::string known_hosts_file(const std::string& tunnel = "relay") const;
  std::string config_path() const { return dir_ / "holdfast.yaml"; }
  std::string socket_path() const { return dir_ / "status.sock"; }
  std::string control_path() const { return socket_path() + ".control"; }

  Json status() const;                                   ///< docs/status.md
  Json tunnel(const std::string& name = "relay") const;  ///< null if there is none
  std::string state(const std::string& name = "relay") const;
  std::string cause(const std::string& name = "relay") const;  ///< of the last error; empty: none

  /// False, with the status on standard error, if it did not come within `limit`.
  [[nodiscard]] bool wait_for(const std::function<bool(const Json& tunnel)>& condition,
                              const std::string& name = "relay", std::chrono::milliseconds limit = 20s) const;
  [[nodiscard]] bool wait_for_up(const std::string& name = "relay", std::chrono::milliseconds limit = 20s) const;
  /// Not up, and this is the last error.
  [[nodiscard]] bool wait_for_failure(const std::string& cause, const std::string& name = "relay",
                                      std::chrono::milliseconds limit = 20s) const;

  /// `holdfast ARGS --socket ...`, run beside it.
  Finished command(std::vector<std::string> args) const;

  /// SIGKILL, as a crash or a power cut would.
  void crash();
  /// And a new process with the configuration as it is now.
  void crash_and_start();

  pid_t pid() const { return process_->pid(); }
  void signal(int number) { process_->signal(number); }
  std::optional<ExitStatus> wait(std::chrono::milliseconds limit = 20s) { return process_->wait(limit); }
  bool running() { return process_->running(); }
  std::string log() const { return process_->errors() + process_->output(); }
  /// Its log comes to say it: a thread of its own writes that, after what it tells of is seen.
  [[nodiscard]] bool says(const std::string& text) const {
    return wait_until([&] { return log().find(text) != std::string::npos; });
  }

 private:
  void start();
  std::string yaml_of(const std::vector<Tunnel>& tunnels) const;

  TempDir dir_;
  std::map<std::string, std::string> env_;
  std::vector<std::string> wrapper_;
  std::unique_ptr<Process> process_;
  bool crashed_ = false;
};

}  // namespace holdfast::test
