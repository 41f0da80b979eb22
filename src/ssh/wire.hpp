#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// Pure: the integers and strings of RFC 4251, 5.
namespace holdfast::ssh {

/// Big endian, and taken off `bytes`; none when they are too few, and then they are emptied.
template <class Integer>
std::optional<Integer> next_integer(std::string_view& bytes) {
  if (bytes.size() < sizeof(Integer)) {
    bytes = {};
    return std::nullopt;
  }
  Integer value = 0;
  for (const char byte : bytes.substr(0, sizeof(Integer))) {
    value = static_cast<Integer>((value << 8) | static_cast<unsigned char>(byte));
  }
  bytes.remove_prefix(sizeof(Integer));
  return value;
}

/// The next string; `bytes` are shortened by it, or emptied when there is none.
inline std::optional<std::string_view> next_string(std::string_view& bytes) {
  const auto length = next_integer<std::uint32_t>(bytes);
  if (!length || bytes.size() < *length) {
    bytes = {};
    return std::nullopt;
  }
  const auto text = bytes.substr(0, *length);
  bytes.remove_prefix(*length);
  return text;
}

inline std::string to_wire(std::uint32_t value) {
  return {static_cast<char>(value >> 24), static_cast<char>(value >> 16), static_cast<char>(value >> 8),
          static_cast<char>(value)};
}

inline std::string to_wire(std::string_view text) {
  return to_wire(static_cast<std::uint32_t>(text.size())).append(text);
}

}  // namespace holdfast::ssh
