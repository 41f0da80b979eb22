#pragma once

#include <optional>
#include <string>
#include <string_view>

/// The file that keeps a device's name: "NAME BOARD". No I/O.
namespace holdfast::supervisor {

struct KeptName {
  std::string name;   ///< relay::is_device_name()
  std::string board;  ///< a hash of the board's serial number, or "-": a card that was copied or moved shows

  friend bool operator==(const KeptName&, const KeptName&) = default;
};

std::string format_kept_name(const KeptName& kept);
/// None if anything in it is not as it should be.
std::optional<KeptName> parse_kept_name(std::string_view text);

}  // namespace holdfast::supervisor
