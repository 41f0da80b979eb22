#include "holdfast/letter.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace holdfast {
namespace {

struct CodePoint {
  std::uint32_t value{};
  std::size_t length{};  ///< in bytes
};

/// RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF. None of what is no UTF-8.
std::optional<CodePoint> decode(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return CodePoint{first, 1};
  const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  if (first < 0xC2 || first > 0xF4 || text.size() < length) return std::nullopt;
  std::uint32_t value = first & (0x7FU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return std::nullopt;
    value = value << 6 | (next & 0x3F);
  }
  constexpr std::array<std::uint32_t, 3> smallest{0x80, 0x800, 0x10000};
  if (value < smallest[length - 2] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF)) return std::nullopt;
  return CodePoint{value, length};
}

bool is_harmless(std::uint32_t code) {
  const auto between = [code](std::uint32_t from, std::uint32_t to) { return code >= from && code <= to; };
  const bool control = between(0, 0x1F) || between(0x7F, 0x9F);
  const bool separator = between(0x2028, 0x2029);
  const bool bidirectional =
      code == 0x061C || between(0x200E, 0x200F) || between(0x202A, 0x202E) || between(0x2066, 0x2069);
  return !control && !separator && !bidirectional;
}

}  // namespace

Letter first_letter(std::string_view text) {
  const auto code = decode(text);
  if (!code) return {text.substr(0, 1), false};
  return {text.substr(0, code->length), is_harmless(code->value)};
}

}  // namespace holdfast
