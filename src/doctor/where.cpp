#include "doctor/where.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>

namespace holdfast::doctor {

Where read_where(const std::string& text) {
  if (text.starts_with('-')) return {};  // ssh would take it for an option
  Where where{text};
  const auto colon = text.rfind(':');
  const auto bracket = text.rfind(']');
  const bool bracketed = bracket != std::string::npos;
  if (colon != std::string::npos && (bracketed ? colon == bracket + 1 : colon == text.find(':')))
    where = {text.substr(0, colon), text.substr(colon + 1)};
  if (bracketed) std::erase_if(where.login, [](char letter) { return letter == '[' || letter == ']'; });
  const auto host = where.login.rfind('@') + 1;
  // Nobody, nowhere, or what ssh would take for an option.
  if (host == 1 || host == where.login.size() || where.login[host] == '-') where.login.clear();
  return where;
}

std::optional<std::uint16_t> read_port(const std::string& text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

}  // namespace holdfast::doctor
