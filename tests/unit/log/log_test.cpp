#include "log/log.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <functional>

#include "log/text.hpp"

using namespace holdfast;
using namespace holdfast::log;
using namespace std::chrono_literals;

namespace {

/// What `action` writes to standard error; little enough to fit into a pipe.
std::string standard_error_of(const std::function<void()>& action) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const int saved = ::dup(STDERR_FILENO);
  ::dup2(ends[1], STDERR_FILENO);
  ::close(ends[1]);
  action();
  CHECK(flush(10s));
  ::dup2(saved, STDERR_FILENO);
  ::close(saved);
  std::string text;
  std::array<char, 4096> buffer{};
  for (ssize_t size = 0; (size = ::read(ends[0], buffer.data(), buffer.size())) > 0;) {
    text.append(buffer.data(), static_cast<std::size_t>(size));
  }
  ::close(ends[0]);
  return text;
}

std::string stream_name(int fd) {
  struct stat status {};
  REQUIRE(::fstat(fd, &status) == 0);
  return std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino);
}

}  // namespace

TEST_CASE("an event is one line with the time in UTC, the level, the tunnel and the text") {
  const std::string text = standard_error_of([] {
    init();
    write(LogLevel::info, "established", {.tunnel = "relay", .relay = {}, .state = {}, .cause = {}});
    write(LogLevel::error, "no tunnel");
  });
  std::string shape = text;
  std::replace_if(
      shape.begin(), shape.end(), [](char c) { return c >= '0' && c <= '9'; }, '9');
  CHECK(shape == "9999-99-99T99:99:99Z info  relay: established\n9999-99-99T99:99:99Z error no tunnel\n");
}

TEST_CASE("only a terminal gets colour, and only for the level") {
  constexpr std::chrono::sys_seconds time{1'795'853'730s};
  CHECK(stamped(time, LogLevel::fatal, "internal error", false) == "2026-11-28T08:15:30Z critical internal error\n");
  CHECK(stamped(time, LogLevel::info, "ready", true) == "2026-11-28T08:15:30Z \x1b[32minfo \x1b[m ready\n");
}

TEST_CASE("a line above the tunnel's level is dropped, and with quiet each is") {
  const std::string text = standard_error_of([] {
    init();
    write(LogLevel::verbose, "dropped");
    write(LogLevel::debug, "told", {}, LogLevel::debug);
    write(LogLevel::debug2, "dropped", {}, LogLevel::debug);
    write(LogLevel::fatal, "dropped", {}, LogLevel::quiet);
    write(LogLevel::quiet, "dropped", {}, LogLevel::debug3);
  });
  CHECK(text.find("dropped") == std::string::npos);
  CHECK(text.find(" debug told\n") != std::string::npos);
}

TEST_CASE("braces in a text are text") {
  const std::string text = standard_error_of([] {
    init();
    write(LogLevel::info, "{} %v %s {0}");
  });
  CHECK(text.ends_with("info  {} %v %s {0}\n"));
}

TEST_CASE("what a hostile relay says stays on one line and moves no cursor") {
  CHECK(printable("a\nb\r\tc") == "a\\x0ab\\x0d\\x09c");
  CHECK(printable("\x1b]0;title\x07") == "\\x1b]0;title\\x07");
  CHECK(printable(std::string("nul\0!", 5)) == "nul\\x00!");
  CHECK(printable("\x7f") == "\\x7f");
  CHECK(printable("\xc2\x9b"
                  "31m") == "\\xc2\\x9b31m");  // CSI as one C1 character
  CHECK(printable("\xe2\x80\xae"
                  "txt") == "\\xe2\\x80\\xaetxt");        // right-to-left override
  CHECK(printable("\xe2\x80\xa8") == "\\xe2\\x80\\xa8");  // line separator
  CHECK(printable("\xd8\x9c") == "\\xd8\\x9c");           // Arabic letter mark
}

TEST_CASE("good UTF-8 passes, and only that") {
  CHECK(printable("Gerät für 中文 🙂") == "Gerät für 中文 🙂");
  CHECK(printable("\xff") == "\\xff");
  CHECK(printable("\xc3") == "\\xc3");                             // cut off
  CHECK(printable("\xc0\x8a") == "\\xc0\\x8a");                    // overlong line feed
  CHECK(printable("\xe0\x80\x8a") == "\\xe0\\x80\\x8a");           // the same in three bytes
  CHECK(printable("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // surrogate
  CHECK(printable("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // beyond Unicode
}

TEST_CASE("a long text is cut, between characters") {
  CHECK(printable(std::string(max_text_bytes, 'a')) == std::string(max_text_bytes, 'a'));
  CHECK(printable(std::string(max_text_bytes + 1, 'a')) == std::string(max_text_bytes, 'a') + "...");
  CHECK(printable(std::string(max_text_bytes - 1, 'a') + "ä") == std::string(max_text_bytes - 1, 'a') + "...");
  CHECK(printable(std::string(100'000, '\n')).size() <= max_text_bytes + 3);
}

TEST_CASE("journald gets the fields that there are") {
  const Fields fields{
      .tunnel = "relay", .relay = "relay.example:22", .state = "backing_off", .cause = Cause::connection_refused};
  CHECK(journal_fields(LogLevel::error, "connect refused", fields) ==
        std::vector<std::string>{"MESSAGE=relay: connect refused", "PRIORITY=3", "SYSLOG_IDENTIFIER=holdfast",
                                 "HOLDFAST_TUNNEL=relay", "TUNNEL=relay", "HOLDFAST_RELAY=relay.example:22",
                                 "RELAY=relay.example:22", "HOLDFAST_STATE=backing_off", "STATE=backing_off",
                                 "HOLDFAST_CAUSE=connection_refused", "CAUSE=connection_refused",
                                 "MESSAGE_ID=" + message_id(Cause::connection_refused)});
  CHECK(journal_fields(LogLevel::info, "ready", {}) ==
        std::vector<std::string>{"MESSAGE=ready", "PRIORITY=6", "SYSLOG_IDENTIFIER=holdfast"});
}

TEST_CASE("journald gets each field on a line of its own") {
  CHECK(journal_entry({"MESSAGE=ready", "PRIORITY=6"}) == "MESSAGE=ready\nPRIORITY=6\n");
}

TEST_CASE("a line break can't forge a journal field") {
  const auto fields =
      journal_fields(LogLevel::info, "x\nPRIORITY=0", {.tunnel = "a\nb", .relay = {}, .state = {}, .cause = {}});
  for (const std::string& field : fields) CHECK(field.find('\n') == std::string::npos);
}

TEST_CASE("ssh's levels become syslog's as in OpenSSH") {
  CHECK(syslog_priority(LogLevel::fatal) == LOG_CRIT);
  CHECK(syslog_priority(LogLevel::error) == LOG_ERR);
  CHECK(syslog_priority(LogLevel::info) == LOG_INFO);
  CHECK(syslog_priority(LogLevel::verbose) == LOG_INFO);
  CHECK(syslog_priority(LogLevel::debug) == LOG_DEBUG);
  CHECK(syslog_priority(LogLevel::debug3) == LOG_DEBUG);
}

TEST_CASE("JOURNAL_STREAM counts only if it is this very stream") {
  const int fd = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  REQUIRE(fd >= 0);
  CHECK(is_journal_stream(fd, stream_name(fd).c_str()));
  CHECK_FALSE(is_journal_stream(fd, "8:123456"));
  CHECK_FALSE(is_journal_stream(fd, ""));
  CHECK_FALSE(is_journal_stream(fd, nullptr));
  CHECK_FALSE(is_journal_stream(-1, stream_name(fd).c_str()));
  ::close(fd);
}
