#include "supervisor/kept_name.hpp"

#include "relay/lease_protocol.hpp"

namespace holdfast::supervisor {

std::string format_kept_name(const KeptName& kept) {
  return kept.name + " " + kept.board + "\n";
}

std::optional<KeptName> parse_kept_name(std::string_view text) {
  const auto blank = text.find(' ');
  if (blank == std::string_view::npos || !text.ends_with('\n')) return std::nullopt;
  KeptName kept{std::string{text.substr(0, blank)}, std::string{text.substr(blank + 1, text.size() - blank - 2)}};
  if (!relay::is_device_name(kept.name)) return std::nullopt;
  return kept;
}

}  // namespace holdfast::supervisor
