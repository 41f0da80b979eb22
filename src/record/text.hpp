#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "holdfast/tunnel.hpp"

/// Events, actions and states as a recording has them: on one line, for people too. What is false, empty, absent or no
/// time at all is left out:
///
///     OfSession{attempt=3 event=SessionFailed{failure=Failure{cause=connection_lost operation="read from"}}}
namespace holdfast::record {

std::string to_text(const TunnelEvent& event);
std::string to_text(const TunnelAction& action);
/// What can be seen of it from outside: "established attempt=3 relay=0 due=8183.25 listeners=[held]".
std::string to_text(const TunnelState& state);

struct ParsedEvent {
  TunnelEvent event;
  std::string_view rest;  ///< of the text, behind it
};
/// Parses the event that the text begins with. The error says what is wrong with it.
tl::expected<ParsedEvent, std::string> parse_event(std::string_view text);

/// What is read is no longer, so that whoever adds some of it up need not think of overflow.
constexpr Duration longest{std::chrono::seconds{1'000'000'000}};

/// "60s", "1500ms", "7ns": in the largest unit that keeps all of it.
std::string to_text(Duration duration);
/// None if it is no such time.
std::optional<Duration> parse_duration(std::string_view text);
/// "8183.25": seconds by the device's clock, which begins when it boots.
std::string to_text(TimePoint at);
/// None if it is no such time.
std::optional<TimePoint> parse_time(std::string_view text);

}  // namespace holdfast::record
