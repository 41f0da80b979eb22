#include "ssh/log_reader.hpp"

#include <libssh/callbacks.h>

#include <algorithm>
#include <vector>

namespace holdfast::ssh {
namespace {

thread_local std::vector<LogReader*> readers;

}  // namespace

LogReader::LogReader(int level) : level_(level) {
  readers.push_back(this);
  ssh_set_log_callback(&LogReader::tell_all);
  set_level();
}

LogReader::~LogReader() {
  std::erase(readers, this);
  set_level();
}

void LogReader::want(int level) {
  level_ = level;
  set_level();
}

/// Whoever is told may jump over this: nothing here has a destructor.
void LogReader::tell_all(int, const char*, const char* line, void*) {
  std::for_each(readers.rbegin(), readers.rend(), [line](LogReader* reader) { reader->read(line); });
}

/// Without a reader nothing is logged.
void LogReader::set_level() {
  int level = SSH_LOG_NOLOG;
  for (const LogReader* reader : readers) level = std::max(level, reader->level_);
  ssh_set_log_level(level);
}

}  // namespace holdfast::ssh
