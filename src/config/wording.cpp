#include "config/wording.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <vector>

namespace holdfast::config {
namespace {

constexpr std::size_t longest_quoted = 80;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

/// C1, which terminals obey like an escape sequence, has two bytes in UTF-8; either of them.
bool is_control_at(std::string_view text, std::size_t at) {
  const auto c1 = [text](std::size_t first) {
    return first + 1 < text.size() && text[first] == '\xC2' &&
           (static_cast<unsigned char>(text[first + 1]) & 0xE0U) == 0x80U;
  };
  return is_control(text[at]) || c1(at) || (at > 0 && c1(at - 1));
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string squash(std::string_view word) {
  std::string squashed;
  for (const char c : word)
    if (c != '_' && c != '-') squashed += lower(c);
  return squashed;
}

/// Letters to insert, delete, replace or swap with their neighbour.
std::size_t edit_distance(std::string_view from, std::string_view to) {
  std::vector<std::vector<std::size_t>> distance(from.size() + 1, std::vector<std::size_t>(to.size() + 1));
  for (std::size_t i = 0; i <= from.size(); ++i) {
    for (std::size_t j = 0; j <= to.size(); ++j) {
      if (i == 0 || j == 0) {
        distance[i][j] = i + j;
        continue;
      }
      const std::size_t replaced = distance[i - 1][j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
      distance[i][j] = std::min({replaced, distance[i - 1][j] + 1, distance[i][j - 1] + 1});
      if (i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1])
        distance[i][j] = std::min(distance[i][j], distance[i - 2][j - 2] + 1);
    }
  }
  return distance[from.size()][to.size()];
}

/// The length of the UTF-8 sequence (RFC 3629) that `text` begins with; 0 if there is none.
std::size_t sequence_length(std::string_view text) {
  const auto byte = [text](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const std::uint8_t lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < length) return 0;
  for (std::size_t at = 1; at < length; ++at)
    if ((byte(at) & 0xC0U) != 0x80U) return 0;
  const bool overlong = (lead == 0xE0 && byte(1) < 0xA0) || (lead == 0xF0 && byte(1) < 0x90);
  const bool surrogate = lead == 0xED && byte(1) > 0x9F;
  const bool beyond_unicode = lead == 0xF4 && byte(1) > 0x8F;
  return overlong || surrogate || beyond_unicode ? 0 : length;
}

}  // namespace

bool looks_like_key_material(std::string_view value) {
  return value.find("PRIVATE KEY") != std::string_view::npos || value.find('\n') != std::string_view::npos ||
         value.starts_with("b3BlbnNzaC1rZXktdjE");  // base64 of OpenSSH's "openssh-key-v1"
}

std::string quote(std::string_view value) {
  if (value.size() > longest_quoted || looks_like_key_material(value))
    return "a text of " + std::to_string(value.size()) + " bytes";
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string quoted = "'";
  for (std::size_t at = 0; at < value.size(); ++at) {
    if (!is_control_at(value, at)) {
      quoted += value[at];
      continue;
    }
    const auto code = static_cast<unsigned char>(value[at]);
    quoted += "\\x";
    quoted += digits[code >> 4U];
    quoted += digits[code & 0x0FU];
  }
  return quoted + "'";
}

std::string shell_word(std::string_view text) {
  const auto is_plain = [](char letter) {
    return std::isalnum(static_cast<unsigned char>(letter)) != 0 ||
           std::string_view{"._-/:@=+,"}.find(letter) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_plain)) return std::string{text};
  std::string quoted = "'";
  for (const char letter : text) quoted += letter == '\'' ? std::string{"'\\''"} : std::string{letter};
  return quoted + "'";
}

std::optional<std::string_view> nearest(std::string_view word, std::span<const std::string_view> names) {
  if (word.size() > longest_quoted) return std::nullopt;
  const std::string wanted = squash(word);
  std::optional<std::string_view> best;
  std::size_t best_distance = std::max<std::size_t>(1, wanted.size() / 3) + 1;
  for (const std::string_view name : names) {
    const std::size_t distance = edit_distance(wanted, squash(name));
    if (distance >= best_distance) continue;
    best = name;
    best_distance = distance;
  }
  return best;
}

std::string did_you_mean(std::string_view word, std::span<const std::string_view> names) {
  const auto name = nearest(word, names);
  return name ? "; did you mean '" + std::string(*name) + "'?" : "";
}

std::string join(std::span<const std::string_view> words) {
  std::string joined;
  for (const std::string_view word : words) {
    if (!joined.empty()) joined += ", ";
    joined += word;
  }
  return joined;
}

std::optional<std::size_t> first_binary_byte(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = sequence_length(text.substr(at));
    const bool allowed_control = text[at] == '\n' || text[at] == '\r' || text[at] == '\t';
    if (length == 0 || (is_control(text[at]) && !allowed_control)) return at;
    at += length;
  }
  return std::nullopt;
}

bool has_space_or_control(std::string_view text) {
  for (std::size_t at = 0; at < text.size(); ++at)
    if (text[at] == ' ' || is_control_at(text, at)) return true;
  return false;
}

bool asks_for_expansion(std::string_view text) {
  const bool token = text.find('%') != std::string_view::npos && text.find(':') == std::string_view::npos;
  return token || text.starts_with('~') || text.find('$') != std::string_view::npos;
}

std::string is_not(std::string_view text, std::string_view what) {
  return quote(text) + " is not " + std::string(what) +
         (asks_for_expansion(text) ? ": nothing is expanded here; write it out" : "");
}

}  // namespace holdfast::config
