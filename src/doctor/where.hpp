#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace holdfast::doctor {

/// "USER@HOST:PORT" as people write it.
struct Where {
  std::string login{};  ///< as ssh takes it: an IPv6 address without its brackets
  std::string port{};   ///< empty: there is none
};
/// Empty where ssh would take it for an option. Of several colons without brackets all belong to the address.
Where read_where(const std::string& text);

/// From 1 to 65535.
std::optional<std::uint16_t> read_port(const std::string& text);

}  // namespace holdfast::doctor
