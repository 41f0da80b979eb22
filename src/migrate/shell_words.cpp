#include "migrate/shell_words.hpp"

#include <algorithm>
#include <cctype>
#include <optional>

namespace holdfast::migrate {
namespace {

/// Reads one line, from left to right.
class Shell {
 public:
  Shell(std::string_view line, const Variables& known) : rest_(line), known_(known) {}

  tl::expected<std::vector<Words>, std::string> commands() {
    while (!rest_.empty() && problem_.empty()) step();
    end_command();
    if (!problem_.empty()) return tl::unexpected(problem_);
    return commands_;
  }

 private:
  void step() {
    const char c = take();
    switch (c) {
      case ' ':
      case '\t':
      case '\n':
      case '\r':
        return c == '\n' ? end_command() : end_word();
      case '\'':
        return add(quoted());
      case '"':
        return add(in_double_quotes());
      case '\\':
        return add(escaped());
      case '$':
      case '`':
        return add_words(expansion(c));
      case '>':
      case '<':
        return redirection();
      case ';':
      case '&':
      case '|':
      case '(':
      case ')':
        return end_command();
      case '#':
        if (!word_) return skip_line();
        return add("#");
      default:
        return add(std::string(1, c));
    }
  }

  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  void add(const std::string& text) { word_ = word_.value_or("") + text; }

  /// Takes text from outside of quotes, where blanks separate words.
  void add_words(const std::string& text) {
    for (const char c : text) {
      if (c == ' ' || c == '\t') {
        end_word();
      } else {
        add(std::string(1, c));
      }
    }
  }

  std::string quoted() {
    const auto end = rest_.find('\'');
    if (end == std::string_view::npos) return refuse("the quote ' has no end");
    std::string text{rest_.substr(0, end)};
    rest_.remove_prefix(end + 1);
    return text;
  }

  std::string in_double_quotes() {
    std::string text;
    while (!rest_.empty() && problem_.empty()) {
      const char c = take();
      if (c == '"') return text;
      if (c == '$' || c == '`') {
        text += expansion(c);
      } else if (c == '\\' && !rest_.empty() &&
                 std::string_view{"\"\\$`"}.find(rest_.front()) != std::string_view::npos) {
        text += take();
      } else {
        text += c;
      }
    }
    return problem_.empty() ? refuse("the quote \" has no end") : "";
  }

  std::string escaped() {
    if (rest_.empty()) return "\\";
    const char c = take();
    return c == '\n' ? "" : std::string(1, c);
  }

  /// What is redirected, and where to, is nothing to ssh.
  void redirection() {
    const bool descriptor =
        word_ && std::all_of(word_->begin(), word_->end(), [](unsigned char c) { return std::isdigit(c) != 0; });
    if (descriptor) word_.reset();
    end_word();
    while (!rest_.empty() && std::string_view{"><&|"}.find(rest_.front()) != std::string_view::npos) take();
    skip_word_ = true;
  }

  /// "$NAME" or "${NAME}", if it is known.
  std::string expansion(char c) {
    const bool braced = rest_.starts_with('{');
    const std::size_t begin = braced ? 1 : 0;
    const auto end = std::min(rest_.find_first_not_of(name_letters, begin), rest_.size());
    const auto known = known_.find(std::string{rest_.substr(begin, end - begin)});
    const bool closed = !braced || (end < rest_.size() && rest_[end] == '}');
    if (c == '$' && closed && known != known_.end()) {
      rest_.remove_prefix(end + begin);
      return known->second;
    }
    const std::size_t shown_to = c == '$' && end > begin && closed ? end + begin : rest_.find_first_of(" \t\n\"'");
    const std::string shown = c + std::string{rest_.substr(0, shown_to)};
    return refuse(shown + " is known to a running shell only: write what it stands for");
  }

  std::string refuse(const std::string& why) {
    if (problem_.empty()) problem_ = why;
    return "";
  }

  void skip_line() {
    const auto end = rest_.find('\n');
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
  }

  void end_word() {
    if (word_ && !std::exchange(skip_word_, false)) words_.push_back(*word_);
    word_.reset();
  }

  void end_command() {
    end_word();
    skip_word_ = false;
    if (!words_.empty()) commands_.push_back(std::exchange(words_, {}));
  }

  static constexpr std::string_view name_letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

  std::string_view rest_;
  const Variables& known_;
  std::optional<std::string> word_;
  bool skip_word_ = false;  ///< it names what is redirected to
  Words words_;
  std::vector<Words> commands_;
  std::string problem_;
};

}  // namespace

tl::expected<std::vector<Words>, std::string> shell_commands(std::string_view line, const Variables& known) {
  return Shell{line, known}.commands();
}

}  // namespace holdfast::migrate
