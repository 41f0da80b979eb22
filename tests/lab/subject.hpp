#pragma once

#include <signal.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lab/lab.hpp"
#include "lab/relay.hpp"

namespace holdfast::lab {

/// The same tunnel for every subject.
struct TunnelSettings {
  std::string host = Lab::relay_name;
  std::uint16_t ssh_port = Lab::ssh_port;
  std::string user;
  std::string identity;
  std::string known_hosts;
  std::string listen{};         ///< where on the relay: "*"; empty: on its loopback
  std::uint16_t port = 4649;    ///< there
  std::uint16_t target = 0;     ///< on the device's loopback
  std::string target_socket{};  ///< in place of that
  unsigned server_alive_interval = 5;
  unsigned server_alive_count_max = 3;
  std::string ciphers{};            ///< empty: the program's default
  std::vector<std::string> more{};  ///< lines of a tunnel in holdfast's configuration
};

/// What `ssh` gets to hold this tunnel.
std::vector<std::string> ssh_arguments(const TunnelSettings& tunnel);
/// The configuration of one holdfast with all these tunnels, its socket in `dir`.
std::string holdfast_config(const std::vector<TunnelSettings>& tunnels, const std::string& dir);

/// A program that holds a tunnel. `command` may write files into the directory.
struct SubjectKind {
  std::string name;
  std::function<test::Command(const TunnelSettings&, const std::string& dir)> command;
};

SubjectKind ssh_in_a_loop();  ///< as systemd runs it with Restart=always, RestartSec=5
SubjectKind autossh();        ///< -M 0, AUTOSSH_GATETIME=0
SubjectKind holdfast_at(const std::string& binary);
/// "ssh", "autossh", "holdfast"; none if there is no such subject.
std::optional<SubjectKind> subject_kind(const std::string& name, const std::string& holdfast_binary);

/// One of them, on the device; or on the relay's own machine, which then stands for another device.
class Subject {
 public:
  enum class Where { device, relay };

  Subject(Lab& lab, SubjectKind kind, TunnelSettings settings, Where where = Where::device)
      : lab_(lab), kind_(std::move(kind)), settings_(std::move(settings)), where_(where) {}

  const std::string& name() const { return kind_.name; }
  TunnelSettings& settings() { return settings_; }  ///< take effect at the next start
  void start();
  /// Writes holdfast's configuration, as start() does, and returns its path.
  std::string configure();
  /// From the next start on, its wall clock can be set off; see clock.cpp.
  void own_wall_clock() { own_wall_clock_ = true; }
  void set_wall_clock_off(std::chrono::seconds offset);
  /// For another program that is to have that clock.
  std::map<std::string, std::string> clock_environment() const;
  /// To every process of it, as systemd does.
  void sigterm() { tree_->signal_all(SIGTERM); }
  void kill9();
  void freeze() { tree_->signal_all(SIGSTOP); }
  void thaw() { tree_->signal_all(SIGCONT); }
  bool running() const { return tree_ && !tree_->members().empty(); }
  std::size_t resident_kib() const;  ///< of all its processes, as VmRSS
  std::string log() const { return past_log_ + (tree_ ? tree_->output() : ""); }

 private:
  Lab& lab_;
  SubjectKind kind_;
  TunnelSettings settings_;
  Where where_;
  test::TempDir dir_;
  std::optional<test::ProcessTree> tree_;
  std::string past_log_;
  bool own_wall_clock_ = false;
};

}  // namespace holdfast::lab
