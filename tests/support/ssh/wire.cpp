#include "support/ssh/wire.hpp"

#include <stdexcept>

namespace holdfast::test {

Writer& Writer::byte(std::uint8_t value) {
  bytes_ += static_cast<char>(value);
  return *this;
}

Writer& Writer::uint32(std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) byte(static_cast<std::uint8_t>(value >> shift));
  return *this;
}

Writer& Writer::string(std::string_view value) {
  return uint32(static_cast<std::uint32_t>(value.size())).raw(value);
}

Writer& Writer::mpint(std::string_view magnitude) {
  while (!magnitude.empty() && magnitude.front() == 0) magnitude.remove_prefix(1);
  const bool looks_negative = !magnitude.empty() && (static_cast<unsigned char>(magnitude.front()) & 0x80U) != 0;
  return string((looks_negative ? std::string(1, '\0') : std::string()).append(magnitude));
}

Writer& Writer::raw(std::string_view bytes) {
  bytes_ += bytes;
  return *this;
}

std::uint8_t Reader::byte() {
  return static_cast<std::uint8_t>(raw(1).front());
}

std::uint32_t Reader::uint32() {
  std::uint32_t value = 0;
  for (int count = 0; count < 4; ++count) value = value << 8U | byte();
  return value;
}

std::string_view Reader::string() {
  return raw(uint32());
}

std::string_view Reader::raw(std::size_t count) {
  if (count > rest_.size()) throw std::runtime_error("the packet is too short");
  const std::string_view taken = rest_.substr(0, count);
  rest_.remove_prefix(count);
  return taken;
}

bool list_has(std::string_view names, std::string_view name) {
  const std::string padded = "," + std::string(names) + ",";
  return padded.find("," + std::string(name) + ",") != std::string::npos;
}

}  // namespace holdfast::test
