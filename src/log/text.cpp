#include "log/text.hpp"

#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace holdfast::log {
namespace {

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t length = 0;  ///< bytes; 0: not UTF-8
};

/// RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF.
CodePoint decode(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return {};
  std::uint32_t value = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    value = value << 6 | (next & 0x3F);
  }
  constexpr std::array<std::uint32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return {};
  return {value, length};
}

bool is_safe(CodePoint code) {
  if (code.length == 0) return false;
  const auto between = [value = code.value](std::uint32_t from, std::uint32_t to) {
    return value >= from && value <= to;
  };
  const bool control = between(0, 0x1F) || between(0x7F, 0x9F);
  const bool separator = between(0x2028, 0x2029);
  const bool bidirectional =
      code.value == 0x061C || between(0x200E, 0x200F) || between(0x202A, 0x202E) || between(0x2066, 0x2069);
  return !control && !separator && !bidirectional;
}

/// `digits` hexadecimal digits: the lowest ones.
std::string hexadecimal(std::uint64_t value, std::size_t digits) {
  std::string text(digits, '0');
  for (std::size_t place = digits; place > 0; value >>= 4) text[--place] = "0123456789abcdef"[value & 0xF];
  return text;
}

/// How a line names its level, and the colour of the name (ECMA-48, 8.3.117).
struct LevelLook {
  std::string_view name;
  std::string_view colour;
};

LevelLook look_of(LogLevel level) {
  switch (level) {
    case LogLevel::quiet:
    case LogLevel::fatal:
      return {"critical", "\x1b[1;41m"};
    case LogLevel::error:
      return {"error", "\x1b[1;31m"};
    case LogLevel::info:
    case LogLevel::verbose:
      return {"info ", "\x1b[32m"};
    case LogLevel::debug:
      return {"debug", "\x1b[36m"};
    case LogLevel::debug2:
    case LogLevel::debug3:
      return {"trace", "\x1b[37m"};
  }
  return {};
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const CodePoint code = decode(text);
    const std::size_t length = code.length == 0 ? 1 : code.length;
    std::string piece;
    if (is_safe(code)) {
      piece = text.substr(0, length);
    } else {
      for (const char byte : text.substr(0, length)) piece += "\\x" + hexadecimal(static_cast<unsigned char>(byte), 2);
    }
    if (out.size() + piece.size() > max_text_bytes) return out + "...";
    out += piece;
    text.remove_prefix(length);
  }
  return out;
}

std::string line(std::string_view text, const Fields& fields) {
  return fields.tunnel.empty() ? printable(text) : printable(fields.tunnel) + ": " + printable(text);
}

bool takes_colour(int fd) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool unwanted = no_color != nullptr && *no_color != '\0';
  const bool unable = terminal == nullptr || std::string_view{terminal} == "dumb";
  return ::isatty(fd) == 1 && !unwanted && !unable;
}

std::string stamped(std::chrono::system_clock::time_point time, LogLevel level, std::string_view line, bool colour) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  std::array<char, 64> stamp{};
  ::gmtime_r(&seconds, &utc);
  const std::size_t size = std::strftime(stamp.data(), stamp.size(), "%Y-%m-%dT%H:%M:%SZ ", &utc);
  const LevelLook look = look_of(level);
  std::string text{stamp.data(), size};
  text += colour ? std::string{look.colour} + std::string{look.name} + "\x1b[m" : std::string{look.name};
  return text.append(" ").append(line).append("\n");
}

int syslog_priority(LogLevel level) {
  switch (level) {
    case LogLevel::quiet:
    case LogLevel::fatal:
      return LOG_CRIT;
    case LogLevel::error:
      return LOG_ERR;
    case LogLevel::info:
    case LogLevel::verbose:
      return LOG_INFO;
    case LogLevel::debug:
    case LogLevel::debug2:
    case LogLevel::debug3:
      return LOG_DEBUG;
  }
  return LOG_INFO;
}

std::string message_id(Cause cause) {
  // FNV-1a, twice, each from a start of its own.
  std::uint64_t first = 0xcbf29ce484222325;
  std::uint64_t second = 0x3c9e1a5f7d20b846;
  for (const char letter : "holdfast " + std::string{to_string(cause)}) {
    first = (first ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
    second = (second ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  }
  return hexadecimal(first, 16) + hexadecimal(second, 16);
}

std::vector<std::string> journal_fields(LogLevel level, std::string_view text, const Fields& fields) {
  std::vector<std::string> out{
      "MESSAGE=" + line(text, fields),
      "PRIORITY=" + std::to_string(syslog_priority(level)),
      "SYSLOG_IDENTIFIER=holdfast",
  };
  const auto add = [&out](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    const std::string field = std::string{name} + "=" + printable(value);
    out.push_back("HOLDFAST_" + field);
    out.push_back(field);  // the name that it had first
  };
  add("TUNNEL", fields.tunnel);
  add("RELAY", fields.relay);
  add("STATE", fields.state);
  if (fields.cause) {
    add("CAUSE", to_string(*fields.cause));
    out.push_back("MESSAGE_ID=" + message_id(*fields.cause));
  }
  return out;
}

std::string journal_entry(const std::vector<std::string>& fields) {
  std::string entry;
  for (const std::string& field : fields) entry += field + "\n";
  return entry;
}

bool is_journal_stream(int fd, const char* journal_stream) {
  struct stat status {};
  return journal_stream != nullptr && ::fstat(fd, &status) == 0 &&
         std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino) == journal_stream;
}

}  // namespace holdfast::log
