#pragma once

#include <libssh/libssh.h>

namespace holdfast::ssh {

/// Reads libssh's log, of which each thread has one, for as long as it exists: libssh says some things nowhere else.
/// There may be several; each is told all lines that any of them wants.
class LogReader {
 public:
  LogReader(const LogReader&) = delete;
  LogReader& operator=(const LogReader&) = delete;

 protected:
  /// Wants the lines of this level (SSH_LOG_WARN, ...) and below.
  explicit LogReader(int level);
  virtual ~LogReader();
  void want(int level);

 private:
  /// Inside libssh. The reader that came last is told first, and may leave by a jump: the others miss that line.
  virtual void read(const char* line) = 0;

  static void tell_all(int priority, const char* function, const char* line, void* unused);
  static void set_level();

  int level_;
};

}  // namespace holdfast::ssh
