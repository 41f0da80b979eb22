#pragma once

#include <sys/types.h>

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/wait.hpp"

namespace holdfast::test {

struct UserId {
  uid_t uid = 0;
  gid_t gid = 0;
};

struct Command {
  std::vector<std::string> argv;             ///< argv[0] is looked up in PATH
  std::map<std::string, std::string> env{};  ///< added to the inherited environment
  std::string input{};                       ///< standard input
  std::optional<UserId> run_as{};            ///< drop to this user first (needs root)
};

struct ExitStatus {
  int code = -1;          ///< of exit(); -1 if a signal ended it
  int signal_number = 0;  ///< that ended it; else 0

  friend bool operator==(const ExitStatus&, const ExitStatus&) = default;
};
inline constexpr ExitStatus success{0, 0};

/// A child process with its standard output and error captured. It leads a process group of its own; the destructor
/// kills the group, and the kernel the child if the test dies first (PR_SET_PDEATHSIG: also if only the thread dies
/// that started it).
class Process {
 public:
  explicit Process(const Command& command);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  bool running();
  void signal(int number);
  /// None if it still runs after `limit`.
  std::optional<ExitStatus> wait(std::chrono::milliseconds limit = 10s);
  void kill();  ///< SIGKILL to the group, and waits for the end

  std::string output() const;  ///< all of standard output so far
  std::string errors() const;  ///< all of standard error so far

 private:
  friend class ProcessTree;
  Process(const Command& command, int root_pipe);

  pid_t pid_ = -1;
  int output_ = -1;
  int errors_ = -1;
  std::optional<ExitStatus> ended_;
};

/// For a server that forks a process for each connection, perhaps into a session of its own: between it and the test
/// stands a keeper process, the subreaper of all of them, which takes them along when it ends, also when the test was
/// killed.
class ProcessTree {
 public:
  explicit ProcessTree(const Command& command);
  ~ProcessTree();
  ProcessTree(const ProcessTree&) = delete;
  ProcessTree& operator=(const ProcessTree&) = delete;

  pid_t root() const { return root_; }  ///< the process of `command` itself
  bool root_running() const;
  std::vector<pid_t> members() const;      ///< the root, if it runs, and all descendants; no zombies
  std::vector<pid_t> descendants() const;  ///< members() without the root
  void signal_all(int number) const;       ///< to all members, and those they fork meanwhile
  std::string output() const { return keeper_->output() + keeper_->errors(); }

 private:
  std::unique_ptr<Process> keeper_;
  pid_t root_ = -1;
};

struct Finished {
  ExitStatus status;
  std::string output;
  std::string errors;
};

/// Runs to the end; throws if that takes longer than `limit`.
Finished run(const Command& command, std::chrono::milliseconds limit = 30s);
/// Throws unless it exits 0; its standard output.
std::string run_checked(const Command& command, std::chrono::milliseconds limit = 30s);

}  // namespace holdfast::test
