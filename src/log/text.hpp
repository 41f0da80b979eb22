#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "log/log.hpp"

/// What the sinks write, apart from where they write it.
namespace holdfast::log {

/// Longer texts are cut here: a relay's banner or error message must not fill the disk.
inline constexpr std::size_t max_text_bytes = 1024;

/// One printable line of UTF-8: control characters, bidirectional overrides and bytes that are not UTF-8 become \xNN.
/// The relay chooses parts of what is logged; neither a terminal nor a line-based reader may be fooled by it.
std::string printable(std::string_view text);

/// "relay: text", or the text alone when no tunnel is concerned.
std::string line(std::string_view text, const Fields& fields);

/// Whether `fd` is a terminal that can show colours, and nobody wants it without (https://no-color.org).
bool takes_colour(int fd);

/// The line as standard error gets it: "2026-11-22T08:15:30Z info  relay: established\n". The time is UTC's; `colour`
/// is for a terminal, and the level's.
std::string stamped(std::chrono::system_clock::time_point time, LogLevel level, std::string_view line, bool colour);

/// syslog(3)'s priority, chosen as OpenSSH does (log.c): verbose is LOG_INFO, all debug levels LOG_DEBUG.
int syslog_priority(LogLevel level);

/// What journald's catalog (systemd/holdfast.catalog) knows the cause by: 32 hexadecimal digits that follow from its
/// name.
std::string message_id(Cause cause);

/// One "NAME=value" for each journal field.
std::vector<std::string> journal_fields(LogLevel level, std::string_view text, const Fields& fields);

/// What journald takes as one datagram (https://systemd.io/JOURNAL_NATIVE_PROTOCOL). The fields have no line breaks,
/// and are short enough for any socket.
std::string journal_entry(const std::vector<std::string>& fields);

/// Whether `fd` is the stream that $JOURNAL_STREAM ("device:inode", systemd.exec(5)) speaks of: a child whose standard
/// error was redirected inherits the variable but does not write to the journal.
bool is_journal_stream(int fd, const char* journal_stream);

}  // namespace holdfast::log
