#include "relay/script.hpp"

#include <algorithm>
#include <array>

namespace holdfast::relay {
namespace {

constexpr std::string_view blanks = " \t";

std::string_view trimmed(std::string_view line) {
  const auto first = line.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(blanks) - first + 1);
}

/// Does the shell read on behind this line, so that no semicolon may follow?
bool is_open(std::string_view line) {
  constexpr std::array<std::string_view, 10> words{"then", "do", "else", "in", "{", "(", ";;", "|", "&&", "||"};
  return std::any_of(words.begin(), words.end(), [line](std::string_view word) {
    if (!line.ends_with(word)) return false;
    const auto before = line.substr(0, line.size() - word.size());
    const bool is_name = word.find_first_of("{(;|&") == std::string_view::npos;
    return !is_name || before.empty() || blanks.find(before.back()) != std::string_view::npos;
  });
}

/// Without the blanks beside ";", "|" and "&" that stand outside of quotes.
std::string tight(std::string_view line) {
  constexpr std::string_view operators = ";|&";
  std::string kept;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    }
    const bool beside = (!kept.empty() && operators.find(kept.back()) != std::string_view::npos) ||
                        (i + 1 < line.size() && operators.find(line[i + 1]) != std::string_view::npos);
    if (quote == 0 && c == ' ' && beside) continue;
    kept += c;
  }
  return kept;
}

}  // namespace

std::string on_one_line(std::string_view script) {
  std::string joined;
  bool open = true;
  while (!script.empty()) {
    const auto end = std::min(script.find('\n'), script.size());
    const auto line = trimmed(script.substr(0, end));
    script.remove_prefix(std::min(end + 1, script.size()));
    if (line.empty() || line.front() == '#') continue;
    if (!joined.empty() && !joined.ends_with(";;")) joined += open ? ' ' : ';';
    joined += tight(line);
    open = is_open(line);
  }
  return joined;
}

std::string quoted(std::string_view text) {
  // A backslash outside of quotes is the one thing that means the same everywhere: inside single quotes csh expands "!"
  // and fish knows two escapes.
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'' || c == '!' || c == '\\') {
      word.append("'\\").append(1, c).append("'");
    } else {
      word += c;
    }
  }
  return word + "'";
}

std::string without(std::string_view script, std::string_view name) {
  const auto begin = script.find("# begin " + std::string{name} + "\n");
  const auto end = script.find("# end " + std::string{name} + "\n");
  if (begin == std::string_view::npos || end == std::string_view::npos) return std::string{script};
  return std::string{script.substr(0, begin)}.append(script.substr(end));
}

std::string exec_command(bool with_keys) {
  return "exec /bin/sh -c " + quoted(on_one_line(with_keys ? std::string{script()} : without(script(), "keys")));
}

}  // namespace holdfast::relay
