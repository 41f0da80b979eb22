#include "traffic/guarded.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <system_error>

#include "support/temp_dir.hpp"

namespace holdfast::bench {
namespace {

[[noreturn]] void be_the_child(const std::function<int()>& work, const sigset_t& signals) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::sigprocmask(SIG_UNBLOCK, &signals, nullptr);
  int code = 1;
  try {
    code = work();
  } catch (const std::exception& error) {
    std::cerr << error.what() << std::endl;
  }
  std::cout.flush();
  ::_exit(code);
}

}  // namespace

int guarded(const std::function<int()>& work) {
  const test::TempDir dir;
  ::chmod(dir.path().c_str(), 0711);  // the relay's account has to pass
  ::setenv("TMPDIR", dir.path().c_str(), 1);
  sigset_t signals;
  ::sigemptyset(&signals);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD}) {
    ::sigaddset(&signals, number);
  }
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const pid_t child = ::fork();
  if (child < 0) {
    throw std::system_error(errno, std::generic_category(), "fork");
  }
  if (child == 0) {
    be_the_child(work, signals);
  }
  // What the child leaves behind ends by itself (PR_SET_PDEATHSIG) and comes to us: wait for all of it.
  int result = 1;
  for (;;) {
    const int signal_number = ::sigwaitinfo(&signals, nullptr);
    if (signal_number != SIGCHLD) {
      ::kill(child, SIGKILL);
      result = 128 + signal_number;
    }
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (ended == child && WIFEXITED(status)) {
        result = WEXITSTATUS(status);
      }
    }
    if (ended < 0 && errno == ECHILD) {
      return result;
    }
  }
}

}  // namespace holdfast::bench
