#include "log/line.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <syslog.h>

#include <cstdint>

#include "holdfast/hash.hpp"
#include "holdfast/letter.hpp"

namespace holdfast::log {

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Letter letter = first_letter(text);
    std::string piece;
    if (letter.harmless) {
      piece = letter.bytes;
    } else {
      for (const char byte : letter.bytes) piece += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    }
    if (out.size() + piece.size() > max_text_bytes) return out + "...";
    out += piece;
    text.remove_prefix(letter.bytes.size());
  }
  return out;
}

std::string line(std::string_view text, const Fields& fields) {
  return fields.tunnel.empty() ? printable(text) : printable(fields.tunnel) + ": " + printable(text);
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
  const std::string text = "holdfast " + std::string{to_string(cause)};
  constexpr std::uint64_t other_start = 0x3c9e1a5f7d20b846;
  return fmt::format("{:016x}{:016x}", fnv1a(text), fnv1a(text, other_start));
}

std::vector<std::string> journal_fields(LogLevel level, std::string_view text, const Fields& fields) {
  std::vector<std::string> out{
      "MESSAGE=" + line(text, fields),
      fmt::format("PRIORITY={}", syslog_priority(level)),
      "SYSLOG_IDENTIFIER=holdfast",
  };
  const auto add = [&out](std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out.push_back(fmt::format("HOLDFAST_{}={}", name, printable(value)));
    out.push_back(fmt::format("{}={}", name, printable(value)));  // the name that it had first
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

bool is_journal_stream(int fd, const char* journal_stream) {
  struct stat status {};
  return journal_stream != nullptr && ::fstat(fd, &status) == 0 &&
         fmt::format("{}:{}", status.st_dev, status.st_ino) == journal_stream;
}

}  // namespace holdfast::log
