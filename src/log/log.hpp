#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"

/// One line an event. Under systemd (JOURNAL_STREAM is ours) it goes to journald with fields, else to standard error
/// as text. A thread writes them: whoever reads the log can be slow or hang, and the lines wait for it, a bounded
/// number of them; the others are dropped, and it is told how many. Nothing secret ever gets here: keys, passphrases
/// and payload are not passed to any of these functions.
namespace holdfast::log {

/// Become journald's HOLDFAST_TUNNEL=, _RELAY=, _STATE= and _CAUSE=, and the same without the prefix; empty ones are
/// left out. A cause has a MESSAGE_ID= too, by which `journalctl -x` finds what to do.
struct Fields {
  std::string_view tunnel;
  std::string_view relay;
  std::string_view state;
  std::optional<Cause> cause;
};

/// Picks the sink. Call once, first.
void init();

/// `threshold` is the tunnel's log_level: a line above it is dropped.
void write(LogLevel level, std::string_view text, const Fields& fields = {}, LogLevel threshold = LogLevel::info);

/// Whether all is written; waits for that no longer than `patience`. If not, something hangs, and exit(3), which writes
/// out what stdio holds, would hang with it.
bool flush(std::chrono::milliseconds patience);

/// The lines that were dropped since the start.
std::uint64_t dropped();

}  // namespace holdfast::log
