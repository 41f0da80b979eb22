#include "ssh/log_reader.hpp"

#include <doctest/doctest.h>

#include <csetjmp>
#include <cstring>
#include <string>
#include <vector>

using namespace holdfast::ssh;

namespace {

using Lines = std::vector<std::string>;

class Reader final : public LogReader {
 public:
  explicit Reader(int level) : LogReader(level) {}
  using LogReader::want;

  Lines lines;

 private:
  void read(const char* line) override { lines.emplace_back(std::strstr(line, "relay")); }
};

class Leaver final : public LogReader {
 public:
  Leaver() : LogReader(SSH_LOG_WARN) {}

  std::jmp_buf way_out{};

 private:
  void read(const char*) override { std::longjmp(way_out, 1); }
};

/// As libssh does.
void say(int level, const char* words) {
  _ssh_log(level, "function", "%s", words);
}

}  // namespace

TEST_CASE("of two who read libssh's log each is told what the other wants, and afterwards the first alone") {
  Reader first{SSH_LOG_WARN};
  {
    const Reader second{SSH_LOG_PACKET};
    say(SSH_LOG_PACKET, "relay wrote 1 bytes");
    say(SSH_LOG_WARN, "relay refused");
    CHECK(second.lines == Lines{"relay wrote 1 bytes", "relay refused"});
  }
  CHECK(first.lines == Lines{"relay wrote 1 bytes", "relay refused"});
  say(SSH_LOG_PACKET, "relay wrote 2 bytes");
  say(SSH_LOG_WARN, "relay refused again");
  CHECK(first.lines.size() == 3);
  CHECK(first.lines.back() == "relay refused again");
}

TEST_CASE("a reader may want more or less later, and without one nothing is logged") {
  {
    Reader reader{SSH_LOG_WARN};
    reader.want(SSH_LOG_PROTOCOL);
    say(SSH_LOG_PROTOCOL, "relay creating");
    reader.want(SSH_LOG_WARN);
    say(SSH_LOG_PROTOCOL, "relay creating again");
    CHECK(reader.lines == Lines{"relay creating"});
  }
  CHECK(ssh_get_log_level() == SSH_LOG_NOLOG);
}

TEST_CASE("who came last may leave libssh by a jump, and those before are told again later") {
  const Reader first{SSH_LOG_WARN};
  {
    Leaver last;
    if (setjmp(last.way_out) == 0) {
      say(SSH_LOG_WARN, "relay wrote 0 bytes");
      FAIL("it did not leave");
    }
  }
  say(SSH_LOG_WARN, "relay refused");
  CHECK(first.lines == Lines{"relay refused"});
}
