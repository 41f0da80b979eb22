#include "config/duration.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

namespace holdfast::config {
namespace {

struct Unit {
  char letter;
  std::int64_t factor;
};

constexpr std::array time_units{Unit{'w', 604800}, Unit{'d', 86400}, Unit{'h', 3600}, Unit{'m', 60}, Unit{'s', 1}};
constexpr std::array size_units{Unit{'G', 1 << 30}, Unit{'M', 1 << 20}, Unit{'K', 1 << 10}};

/// Far beyond any use, and small enough that nobody who multiplies one by a count has to think of overflow.
constexpr std::int64_t longest_seconds = std::int64_t{400} * 86400;
constexpr std::int64_t largest_size = std::int64_t{1} << 50U;

constexpr std::string_view too_large = "is too large";

/// Takes the digits that `text` begins with, and the letter after them if it is one of `units`.
template <std::size_t N>
tl::expected<std::int64_t, std::string> take_part(std::string_view& text, const std::array<Unit, N>& units,
                                                  std::int64_t limit, const char* grammar) {
  if (text.starts_with('-')) return tl::unexpected<std::string>("must not be negative");
  std::int64_t number = 0;
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc::result_out_of_range) return tl::unexpected(std::string(too_large));
  if (error != std::errc{}) return tl::unexpected<std::string>(grammar);
  text.remove_prefix(static_cast<std::size_t>(rest - text.data()));
  std::int64_t factor = 1;
  if (!text.empty()) {
    const auto unit = std::find_if(units.begin(), units.end(),
                                   [&](const Unit& known) { return (known.letter | 0x20) == (text.front() | 0x20); });
    if (unit == units.end()) return tl::unexpected<std::string>(grammar);
    factor = unit->factor;
    text.remove_prefix(1);
  }
  if (number > limit / factor) return tl::unexpected(std::string(too_large));
  return number * factor;
}

}  // namespace

tl::expected<std::chrono::seconds, std::string> parse_duration(std::string_view text) {
  std::int64_t total = 0;
  do {
    const auto part = take_part(text, time_units, longest_seconds, "is not a duration such as 90, 1m30s or 2h");
    if (!part) return tl::unexpected(part.error());
    total += *part;
    if (total > longest_seconds) return tl::unexpected(std::string(too_large));
  } while (!text.empty());
  return std::chrono::seconds{total};
}

std::string format_duration(std::chrono::seconds duration) {
  std::string text;
  std::int64_t left = duration.count();
  for (const Unit& unit : time_units) {
    if (left < unit.factor) continue;
    text += std::to_string(left / unit.factor) + unit.letter;
    left %= unit.factor;
  }
  return text.empty() ? "0" : text;
}

tl::expected<std::uint64_t, std::string> parse_size(std::string_view text) {
  const char* const grammar = "is not a size such as 512M or 1G";
  const auto bytes = take_part(text, size_units, largest_size, grammar);
  if (!bytes) return tl::unexpected(bytes.error());
  if (!text.empty()) return tl::unexpected<std::string>(grammar);
  return static_cast<std::uint64_t>(*bytes);
}

std::string format_size(std::uint64_t bytes) {
  for (const Unit& unit : size_units) {
    const auto factor = static_cast<std::uint64_t>(unit.factor);
    if (bytes >= factor && bytes % factor == 0) return std::to_string(bytes / factor) + unit.letter;
  }
  return std::to_string(bytes);
}

}  // namespace holdfast::config
