#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"

/// One line an event. Under systemd (JOURNAL_STREAM is ours) it goes to journald with fields, else to standard error
/// as text. Nothing secret ever gets here: keys, passphrases and payload are not passed to any of these functions.
namespace holdfast::log {

/// Become journald's TUNNEL=, RELAY=, STATE= and CAUSE=; empty ones are left out.
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

}  // namespace holdfast::log
