#include "doctor/listeners.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <string_view>

namespace holdfast::doctor {
namespace {

constexpr std::size_t most_listeners = 8;

std::optional<std::uint32_t> hexadecimal(std::string_view digits) {
  std::uint32_t value = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
  if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size()) return std::nullopt;
  return value;
}

/// "0100007F": words of the kernel's byte order, with the address in the network's.
std::string address_in_words(std::string_view hex) {
  std::array<std::uint32_t, 4> words{};
  const std::size_t count = hex.size() / 8;
  if (hex.size() % 8 != 0 || (count != 1 && count != 4)) return {};
  for (std::size_t at = 0; at < count; ++at) {
    const auto word = hexadecimal(hex.substr(8 * at, 8));
    if (!word) return {};
    words.at(at) = *word;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (::inet_ntop(count == 1 ? AF_INET : AF_INET6, words.data(), text.data(), text.size()) == nullptr) return {};
  return count == 1 ? std::string{text.data()} : "[" + std::string{text.data()} + "]";
}

void read(const char* path, std::uint16_t port, std::vector<std::string>& found) {
  std::ifstream file{path};
  std::string line;
  std::getline(file, line);  // the heads of the columns
  while (std::getline(file, line) && found.size() < most_listeners) {
    std::istringstream fields{line};
    std::string number;
    std::string local;
    std::string remote;
    std::string state;
    fields >> number >> local >> remote >> state;
    const std::size_t colon = local.find(':');
    if (state != "0A" || colon == std::string::npos || hexadecimal(local.substr(colon + 1)) != port) continue;
    std::string where = address_in_words(std::string_view{local}.substr(0, colon)) + ":" + std::to_string(port);
    if (std::find(found.begin(), found.end(), where) == found.end()) found.push_back(std::move(where));
  }
}

}  // namespace

std::vector<std::string> listening_at(std::uint16_t port) {
  std::vector<std::string> found;
  read("/proc/self/net/tcp", port, found);  // which the service sees too (ProcSubset=pid)
  read("/proc/self/net/tcp6", port, found);
  return found;
}

}  // namespace holdfast::doctor
