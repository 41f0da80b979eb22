#include "fuzz/fuzz.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace holdfast::fuzz {
namespace {

std::vector<const Harness*>& list() {
  static std::vector<const Harness*> harnesses;
  return harnesses;
}

}  // namespace

Harness::Harness(const char* name, Run function) : name_(name), run_(function) {
  list().push_back(this);
}

const std::vector<const Harness*>& harnesses() {
  return list();
}

void promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

std::uint8_t take_byte(std::string_view& input) {
  if (input.empty()) return 0;
  const auto byte = static_cast<std::uint8_t>(input.front());
  input.remove_prefix(1);
  return byte;
}

std::string_view take_line(std::string_view& input) {
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string_view line = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return line;
}

std::vector<std::string_view> in_pieces(std::string_view input, std::uint8_t seed) {
  std::vector<std::string_view> pieces;
  std::size_t next = std::size_t{seed} * seed;
  while (!input.empty()) {
    next = next * 13 + 7;
    const std::size_t size = std::min(next % (std::size_t{seed} + 1) + 1, input.size());
    pieces.push_back(input.substr(0, size));
    input.remove_prefix(size);
  }
  return pieces;
}

bool is_harmless(std::string_view text) {
  for (std::size_t index = 0; index < text.size(); ++index) {
    const auto byte = static_cast<unsigned char>(text[index]);
    if ((byte < 0x20 && byte != '\n') || byte == 0x7f) return false;
    const auto next = static_cast<unsigned char>(index + 1 < text.size() ? text[index + 1] : 0);
    if (byte == 0xc2 && next >= 0x80 && next < 0xa0) return false;
  }
  return true;
}

bool is_harmless_line(std::string_view text) {
  return is_harmless(text) && text.find('\n') == std::string_view::npos;
}

}  // namespace holdfast::fuzz
