#pragma once

#include <cstdint>
#include <string_view>

namespace holdfast {

/// FNV-1a, 64 bits: always the same of the same text, and no secret: another text of the same hash is easily found.
/// `before`: the hash of what stands in front of the text, or another start.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t before = 0xcbf29ce484222325) {
  for (const char letter : text) before = (before ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  return before;
}

}  // namespace holdfast
