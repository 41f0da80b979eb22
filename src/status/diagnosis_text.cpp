#include "status/diagnosis_text.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <numeric>
#include <sstream>
#include <string_view>
#include <utility>

#include "holdfast/enumerators.hpp"
#include "holdfast/words.hpp"
#include "status/printable.hpp"

namespace holdfast::status {
namespace {

constexpr std::size_t usual_width = 80;
constexpr std::size_t least_width = 40;
constexpr std::size_t most_width = 120;
constexpr std::size_t indent = 20;

/// The first line begins after `begin`, the others after as many spaces. Letters of UTF-8 count by bytes: a line may be
/// shorter for it. A command that is told to the letter, behind "Here: ", has a line of its own, however long.
std::string wrapped(const std::string& begin, const std::string& text, std::size_t margin, const Page& page) {
  constexpr std::string_view here = " Here: ";
  const auto at = text.find(here);
  std::istringstream words{at == std::string::npos ? text : text.substr(0, at + here.size())};
  std::string out = begin;
  std::size_t column = margin;
  for (std::string word; words >> word;) {
    const bool first = column == margin;
    if (!first && column + 1 + word.size() > page.width) {
      out += "\n" + std::string(margin, ' ');
      column = margin;
    } else if (!first) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
  }
  if (at != std::string::npos) out += "\n" + std::string(margin, ' ') + text.substr(at + here.size());
  return out + "\n";
}

std::string coloured(const std::string& text, std::string_view code, Colour colour) {
  return colour == Colour::ansi ? std::string{code} + text + "\x1b[0m" : text;
}

std::string mark_of(CheckResult result, Colour colour) {
  switch (result) {
    case CheckResult::pass:
      return coloured(" ok    ", "\x1b[32m", colour);
    case CheckResult::warn:
      return coloured(" warn  ", "\x1b[33m", colour);
    case CheckResult::fail:
      return coloured(" FAIL  ", "\x1b[1;31m", colour);
    case CheckResult::skip:
      return " -     ";
  }
  std::abort();
}

std::string padded(std::string label) {
  label.resize(std::max(label.size() + 1, indent - 7), ' ');
  return label;
}

/// "no answer from DNS (192.0.2.53)"
std::string what(const Judgement& judgement) {
  if (!judgement.cause) return judgement.measured;
  const bool is_note = facts_of(*judgement.cause).severity == Severity::note;
  if (judgement.result == CheckResult::pass && !is_note) return judgement.measured;
  const std::string sentence{facts_of(*judgement.cause).sentence};
  return judgement.measured.empty() ? sentence : sentence + " (" + judgement.measured + ")";
}

/// How many letters have to be added, left out or exchanged.
std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t at = 0; at < left.size(); ++at) {
    std::size_t diagonal = std::exchange(row[0], at + 1);
    for (std::size_t to = 0; to < right.size(); ++to) {
      const std::size_t kept = diagonal + (left[at] == right[to] ? 0 : 1);
      diagonal = std::exchange(row[to + 1], std::min({kept, row[to] + 1, row[to + 1] + 1}));
    }
  }
  return row.back();
}

/// Letters and digits, in lower case: "relay's port", "Relays-Port" and "relays_port" are one.
std::string plain(const std::string& name) {
  std::string letters;
  for (const char letter : name) {
    if (std::isalnum(static_cast<unsigned char>(letter)) != 0)
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  }
  return letters;
}

}  // namespace

std::string label_of(Layer layer) {
  switch (layer) {
    case Layer::neighbour:
      return "gateway";
    case Layer::name:
      return "relay's name";
    case Layer::tcp:
      return "relay's port";
    case Layer::banner:
      return "SSH server";
    case Layer::key_exchange:
      return "encryption";
    case Layer::host_key:
      return "host key";
    case Layer::authentication:
      return "login";
    case Layer::proof:
      return "way back";
    case Layer::device:
    case Layer::modem:
    case Layer::link:
    case Layer::address:
    case Layer::route:
    case Layer::path:
    case Layer::session:
    case Layer::listener:
    case Layer::lease:
    case Layer::target:
    case Layer::keepalive:
      return std::string{to_string(layer)};
  }
  std::abort();
}

std::size_t width_of(bool is_terminal, std::string_view columns, unsigned said_by_terminal) {
  if (!is_terminal) return usual_width;
  std::size_t width = said_by_terminal == 0 ? usual_width : said_by_terminal;
  std::size_t named = 0;
  const auto parsed = std::from_chars(columns.data(), columns.data() + columns.size(), named);
  const bool good = parsed.ec == std::errc{} && parsed.ptr == columns.data() + columns.size() && named > 0;
  if (good) width = named;
  return std::clamp(width, least_width, most_width);
}

std::string text_of(const Judgement& judgement, const Page& page) {
  const bool follows = judgement.hidden_by && judgement.result == CheckResult::fail;
  // A session that ended by what a lower layer shows now: that stands there.
  const bool told_below = follows && judgement.cause && facts_of(*judgement.cause).layer == *judgement.hidden_by;
  const bool has_state = judgement.layer == Layer::session && !judgement.evidence.empty();
  const std::string state = has_state ? printable(judgement.evidence.front()) : "fails";
  std::string said = told_below ? state : printable(what(judgement));
  if (follows) said += "; follows from: " + label_of(*judgement.hidden_by);
  std::string text =
      wrapped(mark_of(judgement.result, page.colour) + padded(label_of(judgement.layer)), said, indent, page);
  if (judgement.result == CheckResult::pass || told_below) return text;
  for (const std::string& line : judgement.evidence) {
    text += wrapped(std::string(indent, ' '), printable(line), indent, page);
  }
  return text;
}

std::string not_reached(const std::vector<Judgement>& skipped, const Page& page) {
  if (skipped.empty()) return {};
  if (skipped.size() == 1) return text_of(skipped.front(), page);
  std::vector<std::string> labels;
  labels.reserve(skipped.size());
  for (const Judgement& judgement : skipped) labels.push_back(label_of(judgement.layer));
  return wrapped(mark_of(CheckResult::skip, page.colour),
                 joined(labels, ", ") + ": not looked at, because " + printable(skipped.front().measured), 7, page);
}

std::string remark(CheckResult result, const std::string& about, const std::string& what,
                   const std::vector<std::string>& lines, const Page& page) {
  std::string text = wrapped(mark_of(result, page.colour) + padded(about), printable(what), indent, page);
  for (const std::string& line : lines) text += std::string(indent + 2, ' ') + printable(line) + "\n";
  return text;
}

std::string conclusion(const Diagnosis& diagnosis, const Page& page) {
  const auto answer = std::find_if(diagnosis.judgements.begin(), diagnosis.judgements.end(),
                                   [&](const Judgement& judgement) { return judgement.layer == diagnosis.answer; });
  if (answer == diagnosis.judgements.end()) {
    const auto has = [&](Layer layer, CheckResult result) {
      return std::any_of(diagnosis.judgements.begin(), diagnosis.judgements.end(),
                         [&](const Judgement& each) { return each.layer == layer && each.result == result; });
    };
    const bool unproven = has(Layer::session, CheckResult::pass) && has(Layer::proof, CheckResult::skip);
    return coloured(unproven ? "Nothing is wrong so far." : "Nothing is wrong.", "\x1b[32m", page.colour) + "\n";
  }
  const bool fails = answer->result == CheckResult::fail;
  std::string text = wrapped(coloured(fails ? "Fault:  " : "Look:   ", fails ? "\x1b[1;31m" : "\x1b[33m", page.colour),
                             in_a_line(diagnosis), 8, page);
  std::vector<std::string> consequences;
  std::vector<std::string> others;
  std::string then;
  for (const Judgement& judgement : diagnosis.judgements) {
    const bool bad = judgement.result == CheckResult::fail || judgement.result == CheckResult::warn;
    if (!bad || judgement.layer == diagnosis.answer) continue;
    (judgement.hidden_by ? consequences : others).push_back(label_of(judgement.layer));
    if (nobody_holds(judgement)) then = judgement.next_step;
  }
  if (!consequences.empty()) text += wrapped("Follows: ", joined(consequences, ", "), 9, page);
  if (!others.empty()) text += wrapped("Besides: ", joined(others, ", "), 9, page);
  text += wrapped("Next:   ", printable(answer->next_step), 8, page);
  return then.empty() ? text : text + wrapped("Then:   ", printable(then), 8, page);
}

std::string in_a_line(const Diagnosis& diagnosis) {
  for (const Judgement& judgement : diagnosis.judgements) {
    if (judgement.layer == diagnosis.answer)
      return label_of(judgement.layer) + ": " + std::string{facts_of(judgement.cause.value()).sentence};
  }
  return "nothing is wrong";
}

std::string explanation(const CauseFacts& facts, const Page& page) {
  const char* severity = facts.severity == Severity::error     ? "a fault"
                         : facts.severity == Severity::warning ? "worth a look"
                                                               : "nothing wrong by itself";
  return std::string{to_string(facts.cause)} + "\n" +
         wrapped("  What:   ", std::string{facts.sentence} + ".", 10, page) +
         wrapped("  Layer:  ", label_of(facts.layer) + "; " + severity, 10, page) +
         wrapped("  Next:   ", std::string{facts.remedy}, 10, page);
}

std::string explanation(Layer layer, const Page& page) {
  const std::string label = label_of(layer);
  const std::string name{to_string(layer)};
  std::string text = (label == name ? name : label + ", in the status and in JSON: " + name) + "\n";
  for (const CauseFacts& facts : all_causes()) {
    if (facts.layer == layer)
      text += wrapped("  ", std::string{to_string(facts.cause)} + ": " + std::string{facts.sentence}, 2, page);
  }
  return text + "To know more of one: holdfast doctor --explain CAUSE\n";
}

std::optional<Layer> layer_called(const std::string& name) {
  for (const Layer layer : enumerators<Layer>) {
    if (plain(name) == plain(std::string{to_string(layer)}) || plain(name) == plain(label_of(layer))) return layer;
  }
  return std::nullopt;
}

std::vector<std::string> names_like(const std::string& name) {
  std::vector<std::pair<std::size_t, std::string>> known;
  const auto add = [&](const std::string& shown, std::size_t far) {
    const bool within = name.size() > 2 && shown.find(name) != std::string::npos;
    known.emplace_back(within ? 0 : far, shown);
  };
  for (const CauseFacts& facts : all_causes()) {
    const std::string cause{to_string(facts.cause)};
    add(cause, distance(plain(name), plain(cause)));
  }
  for (const Layer layer : enumerators<Layer>) {
    const std::string own{to_string(layer)};
    add(own, std::min(distance(plain(name), plain(own)), distance(plain(name), plain(label_of(layer)))));
  }
  std::sort(known.begin(), known.end());
  std::vector<std::string> like;
  for (std::size_t at = 0; at < 3; ++at) like.push_back(known.at(at).second);
  return like;
}

}  // namespace holdfast::status
