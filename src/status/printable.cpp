#include "status/printable.hpp"

#include <algorithm>

#include "holdfast/letter.hpp"

namespace holdfast::status {

std::string printable(std::string_view text) {
  std::string clean;
  clean.reserve(text.size());
  while (!text.empty()) {
    const Letter letter = first_letter(text);
    clean += letter.harmless || letter.bytes == "\n" ? letter.bytes : "?";
    text.remove_prefix(letter.bytes.size());
  }
  return clean;
}

std::string printable_name(std::string_view text) {
  std::string clean = printable(text);
  std::replace(clean.begin(), clean.end(), '\n', '?');
  return clean;
}

}  // namespace holdfast::status
