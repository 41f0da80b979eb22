#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/account.hpp"
#include "support/net.hpp"
#include "support/process.hpp"

namespace holdfast::test {

// Records here are of port 99999: the script takes it for a number, and nobody on this machine can listen there.

/// The shells that may be a relay's /bin/sh, as the beginning of a command. One that is not installed is skipped.
std::vector<std::vector<std::string>> shells();
/// Calls `body` once with each of them; failures name the shell.
void with_each_shell(const std::function<void(const std::vector<std::string>&)>& body);

/// A child process whose standard input and output are ours.
class Conversation {
 public:
  explicit Conversation(const Command& command);

  void send(std::string_view text) { socket_.send(text); }
  /// The next line, without its newline; "(end)" at the end of the stream.
  std::string line();
  std::string ask(std::string_view text);  ///< send and line(); adds the newline
  void hang_up() { socket_.close(); }      ///< both directions
  void finish_sending() { socket_.finish_sending(); }
  bool ended(std::chrono::milliseconds limit = 10s) { return process_.wait(limit).has_value(); }
  Process& process() { return process_; }

 private:
  explicit Conversation(const Command& command, std::pair<int, Socket> ends);

  Socket socket_;
  Process process_;
};

/// Living processes of anybody whose environment has this line; needs to be root or their user.
std::vector<pid_t> processes_with(const std::string& variable);

/// An account on a relay without an sshd. Sessions started with it run the script below a process that is named like
/// one.
class FakeRelay {
 public:
  explicit FakeRelay(std::vector<std::string> shell);

  struct SessionOptions {
    std::string name = "sshd";
    std::uint16_t port = 0;            ///< that the sshd listens on
    std::vector<std::string> below{};  ///< commands between sshd and script, e.g. a login shell
    std::string bound{};               ///< the name that authorized_keys gives to the script; empty: none
  };
  /// An sshd that runs the script.
  Conversation session(const SessionOptions& options) const;
  Conversation session() const { return session(SessionOptions()); }
  Command session_command(const SessionOptions& options) const;
  /// A session after `setup`, a shell script that root runs in a mount and a process namespace of its own.
  Conversation session_in_namespace(const std::string& setup) const;
  /// An sshd without one.
  Conversation sshd(const std::string& name = "sshd", std::uint16_t port = 0) const;
  /// The script without an sshd.
  Conversation script() const;

  std::string records_dir() const { return account.home() + "/.holdfast"; }
  std::vector<std::string> records() const;  ///< the names in records_dir()
  /// The path of a record of this listener ("PORT@ADDRESS") and process.
  std::string record_path(const std::string& listener, pid_t pid) const;
  /// Writes one, as its owner; makes the directory.
  void write_record(const std::string& listener, pid_t pid, std::string_view content) const;
  /// What the script would write.
  static std::string record(pid_t pid, const std::string& device);
  std::vector<pid_t> processes() const { return processes_with(marker_); }

  Command command(std::vector<std::string> argv) const;

  Account account{};

 private:
  std::vector<std::string> script_command() const;

  std::vector<std::string> shell_;
  std::string binary_;
  std::string marker_;
};

std::string boot_id();
std::string start_time(pid_t pid);  ///< field 22 of /proc/PID/stat; empty if there is no such process
pid_t parent_of(pid_t pid);         ///< 0 if there is no such process
bool alive(pid_t pid);              ///< exists, and is no zombie

}  // namespace holdfast::test
