#include "relay/lease_protocol.hpp"

#include <algorithm>
#include <charconv>

namespace holdfast::relay {
namespace {

constexpr std::size_t max_name_bytes = 64;
constexpr std::int64_t max_seconds = 999'999'999;

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_word_of(std::string_view text, std::string_view more) {
  return !text.empty() && text.size() <= max_name_bytes && std::all_of(text.begin(), text.end(), [more](char c) {
    return is_alphanumeric(c) || more.find(c) != std::string_view::npos;
  });
}

std::optional<std::string> listener_line(std::string_view command, std::string_view address, std::uint16_t port) {
  if (address.empty()) address = "*";
  if (port == 0 || !is_word_of(address, ".:_-*")) return {};
  return std::string(command) + ' ' + std::string(address) + ' ' + std::to_string(port) + '\n';
}

/// Digits only, no leading zero but "0" itself, at most `limit`.
std::optional<std::int64_t> number(std::string_view text, std::int64_t limit) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool all = error == std::errc{} && end == text.data() + text.size();
  const bool canonical = text.size() == 1 || !text.starts_with('0');
  if (!all || !canonical || text.starts_with('-') || value > limit) return {};
  return value;
}

std::optional<std::uint32_t> id(std::string_view text) {
  const auto value = number(text, UINT32_MAX);
  if (!value) return {};
  return static_cast<std::uint32_t>(*value);
}

/// Exactly one blank between two words.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (;;) {
    const auto blank = line.find(' ');
    words.push_back(line.substr(0, blank));
    if (blank == std::string_view::npos) return words;
    line.remove_prefix(blank + 1);
  }
}

using Words = std::vector<std::string_view>;

Answer parse_single(std::string_view word) {
  if (word.empty()) return answer::Beat{};
  if (word == "noted") return answer::Noted{};
  if (word == "clock") return answer::Clock{};
  if (word == "held") return answer::Held{};
  if (word == "dropped") return answer::Dropped{};
  if (word == "free") return answer::Freed{};
  if (word == "own") return answer::Own{};
  if (word == "denied") return answer::Denied{};
  if (word == "timeout") return answer::TimedOut{};
  if (word == "error") return answer::Error{};
  return answer::Malformed{};
}

Answer parse_greeting(const Words& words) {
  const auto version = number(words[1], protocol_version);
  const auto sshd = id(words[2]);
  if (!version || *version < 1 || !sshd || *sshd < 2) return answer::Malformed{};
  return answer::Greeting{static_cast<int>(*version), *sshd};
}

Answer parse_clock(std::string_view word) {
  const auto time = number(word, latest_clock);
  if (!time) return answer::Malformed{};
  return answer::Clock{*time};
}

/// "other DEVICE AGE", or of a program that says runs "other DEVICE AGE RUN GUARD"; "twin" likewise.
Answer parse_other(const Words& words) {
  const auto age = number(words[2], max_seconds);
  if (!is_device_name(words[1]) || !age) return answer::Malformed{};
  answer::Other other{std::string(words[1]), std::chrono::seconds(*age)};
  other.twin = words[0] == "twin";
  if (words.size() == 3) return other.twin ? Answer{answer::Malformed{}} : other;
  const auto run = number(words[3], max_run);
  const auto guard = number(words[4], max_seconds);
  if (!run || *run == 0 || !guard) return answer::Malformed{};
  other.run = static_cast<std::uint32_t>(*run);
  other.guard = std::chrono::seconds(*guard);
  return other;
}

bool is_hexadecimal(std::string_view text) {
  return text.find_first_not_of("0123456789ABCDEF") == std::string_view::npos;
}

/// "0100007F:1229", with 8 digits of an address, or 32.
bool is_socket(std::string_view word) {
  const auto colon = word.find(':');
  return (colon == 8 || colon == 32) && word.size() == colon + 5 && is_hexadecimal(word.substr(0, colon)) &&
         is_hexadecimal(word.substr(colon + 1));
}

Answer parse_held(const Words& words) {
  answer::Held held{{words.begin() + 1, words.end()}};
  const bool sockets = std::all_of(held.listening.begin(), held.listening.end(), is_socket);
  return sockets ? Answer{held} : answer::Malformed{};
}

Answer parse_unsupported(std::string_view reason) {
  const bool plain = !reason.empty() && reason.size() <= 32 && std::all_of(reason.begin(), reason.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || c == '_';
  });
  if (!plain) return answer::Malformed{};
  return answer::Unsupported{std::string(reason)};
}

Answer parse_keys(const Words& words) {
  answer::Keys told;
  if (words.size() % 2 == 0 || words.size() / 2 > max_keys) return answer::Malformed{};
  for (std::size_t n = 1; n < words.size(); n += 2) {
    const auto plain = [](std::string_view word, std::string_view more) {
      return !word.empty() && std::all_of(word.begin(), word.end(), [more](char c) {
        return is_alphanumeric(c) || more.find(c) != std::string_view::npos;
      });
    };
    if (!plain(words[n], "-.@") || !plain(words[n + 1], "+/=")) return answer::Malformed{};
    told.keys.push_back({std::string(words[n]), std::string(words[n + 1])});
  }
  return told;
}

std::optional<Answer> parse_not_evicted(const Words& words) {
  answer::NotEvicted nobody;
  if (words[0] == "unknown") {
    nobody.why = answer::Nobody::unknown;
  } else if (words[0] == "gone") {
    nobody.why = answer::Nobody::gone;
  } else if (words[0] == "mismatch") {
    nobody.why = answer::Nobody::mismatch;
  } else {
    return {};
  }
  if (words.size() == 1) return nobody;
  nobody.listener_uid = id(words[1]);
  if (words.size() > 2 || !nobody.listener_uid) return answer::Malformed{};
  return nobody;
}

}  // namespace

bool is_device_name(std::string_view name) {
  return is_word_of(name, "._-");
}

std::optional<std::string> hello_line(std::chrono::seconds silence, std::string_view device) {
  if (silence.count() < 1 || silence.count() > max_seconds || !is_device_name(device)) return {};
  return "hello " + std::to_string(protocol_version) + ' ' + std::to_string(silence.count()) + ' ' +
         std::string(device) + '\n';
}

std::string runs_line(const std::vector<std::uint32_t>& runs) {
  std::string line = "runs";
  for (std::size_t n = 0; n < std::min(runs.size(), max_runs); ++n) line += ' ' + std::to_string(runs[n]);
  return line + '\n';
}

std::optional<std::string> hold_line(std::string_view address, std::uint16_t port) {
  return listener_line("hold", address, port);
}

std::optional<std::string> evict_line(std::string_view address, std::uint16_t port) {
  return listener_line("evict", address, port);
}

std::optional<std::string> who_line(std::string_view address, std::uint16_t port) {
  return listener_line("who", address, port);
}

std::optional<std::string> drop_line(std::string_view address, std::uint16_t port) {
  return listener_line("drop", address, port);
}

Answer parse_answer(std::string_view line) {
  if (line.size() > max_answer_bytes) return answer::Malformed{};
  const Words words = words_of(line);
  if (const auto nobody = parse_not_evicted(words)) return *nobody;
  if (words[0] == "keys") return parse_keys(words);
  if (words.size() == 1) return parse_single(words[0]);
  if (words.size() == 2 && words[0] == "unsupported") return parse_unsupported(words[1]);
  if (words.size() == 2 && words[0] == "clock") return parse_clock(words[1]);
  if (words.size() == 3 && words[0] == "holdfast") return parse_greeting(words);
  const bool other = words[0] == "other" || words[0] == "twin";
  if (other && (words.size() == 3 || words.size() == 5)) return parse_other(words);
  if (words[0] == "held") return parse_held(words);
  return answer::Malformed{};
}

std::vector<Answer> AnswerStream::feed(std::string_view bytes) {
  std::vector<Answer> answers;
  while (!bytes.empty() && !failed_) {
    const auto end = bytes.find('\n');
    const auto part = bytes.substr(0, end);
    // One byte over the limit is enough to know that the line is no answer.
    line_ += part.substr(0, max_answer_bytes + 1 - line_.size());
    if (!greeted_) noise_ += std::min(bytes.size(), part.size() + 1);
    bytes.remove_prefix(end == std::string_view::npos ? bytes.size() : end + 1);
    const bool flooded = (!greeted_ && noise_ > max_noise_bytes) || (greeted_ && line_.size() > max_answer_bytes);
    if (end == std::string_view::npos && !flooded) break;
    const auto taken = flooded ? answer::Malformed{} : take(line_);
    line_.clear();
    if (!taken) continue;
    failed_ = std::holds_alternative<answer::Malformed>(*taken);
    answers.push_back(*taken);
  }
  return answers;
}

std::optional<Answer> AnswerStream::take(std::string_view line) {
  const Answer parsed = parse_answer(line);
  if (greeted_) return parsed;
  greeted_ = std::holds_alternative<answer::Greeting>(parsed);
  if (greeted_ || std::holds_alternative<answer::Unsupported>(parsed)) return parsed;
  return {};
}

}  // namespace holdfast::relay
