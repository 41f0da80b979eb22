#include "supervisor/device_id.hpp"

#include <unistd.h>

#include <array>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <fstream>

namespace holdfast::supervisor {
namespace {

constexpr std::size_t most_of_the_name = 48;

/// FNV-1a: spreads, hides nothing that 32 of 128 bits could tell.
std::uint32_t hash(const std::string& text) {
  std::uint32_t value = 2166136261U;
  for (const char letter : text) value = (value ^ static_cast<unsigned char>(letter)) * 16777619U;
  return value;
}

}  // namespace

std::string device_id() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  std::string machine;
  std::ifstream{"/etc/machine-id"} >> machine;
  return device_id(host.data(), machine);
}

std::string device_id(const std::string& host_name, const std::string& machine_id) {
  std::string name = host_name.substr(0, most_of_the_name);
  for (char& letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) == 0 && letter != '.' && letter != '-') letter = '_';
  }
  std::array<char, 9> digits{};
  std::snprintf(digits.data(), digits.size(), "%08x", hash(machine_id));
  return (name.empty() ? "device" : name) + "-" + digits.data();
}

}  // namespace holdfast::supervisor
