#include "record/text.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "holdfast/enumerators.hpp"
#include "record/describe.hpp"

namespace holdfast::record {
namespace {

using Nanoseconds = std::chrono::nanoseconds;
static_assert(std::is_same_v<Duration, Nanoseconds>, "nothing is rounded");

constexpr std::int64_t a_second = 1'000'000'000;
constexpr std::string_view hex = "0123456789abcdef";
constexpr std::pair<std::string_view, std::int64_t> units[] = {
    {"s", a_second}, {"ms", 1'000'000}, {"us", 1'000}, {"ns", 1}};

// ---- writing ------------------------------------------------------------------------------------------------------

class Writer {
 public:
  void write(bool value) { text_ += value ? "yes" : "no"; }
  void write(std::uint16_t value) { text_ += std::to_string(value); }
  void write(std::uint32_t value) { text_ += std::to_string(value); }
  void write(std::uint64_t value) { text_ += std::to_string(value); }
  void write(Duration value) { text_ += to_text(value); }
  void write(TimePoint value) { text_ += to_text(value); }
  void write(const std::string& value) {
    text_ += '"';
    for (const char each : value) {
      const auto byte = static_cast<unsigned char>(each);
      if (byte >= 0x20 && byte < 0x7f && each != '"' && each != '\\') {
        text_ += each;
      } else {
        text_ += "\\x";
        text_ += hex[byte >> 4U];
        text_ += hex[byte & 0x0fU];
      }
    }
    text_ += '"';
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void write(Enum value) { text_ += spelling(value).name; }
  template <class Value>
  void write(const std::optional<Value>& value) {
    write(*value);
  }
  template <class Value>
  void write(const std::vector<Value>& values) {
    text_ += '[';
    for (const Value& value : values) {
      if (text_.back() != '[') text_ += ' ';
      write(value);
    }
    text_ += ']';
  }
  template <class... Alternatives>
  void write(const std::variant<Alternatives...>& value) {
    std::visit([this](const auto& what) { this->write(what); }, value);
  }
  template <class Struct>
  requires std::is_class_v<Struct>
  void write(const Struct& value) {
    constexpr auto& type = description<Struct>;
    text_ += type.name;
    char before = '{';
    const auto write_field = [&](const auto& field) {
      const auto& member = value.*field.member;
      if (is_left_out(member)) return;
      text_ += std::exchange(before, ' ');
      text_ += field.name;
      text_ += '=';
      write(member);
    };
    std::apply([&](const auto&... field) { (write_field(field), ...); }, type.fields);
    if (before == ' ') text_ += '}';
  }

  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

template <class Value>
std::string written(const Value& value) {
  Writer writer;
  writer.write(value);
  return writer.take();
}

// ---- reading ------------------------------------------------------------------------------------------------------

template <class Number>
bool number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

/// What it reads is left half read when it finds something wrong.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  bool read(bool& value) {
    const std::string_view read = word();
    value = read == "yes";
    return value || read == "no" || wrong("'" + shown(read) + "' is neither yes nor no");
  }
  template <class Number>
  requires(std::is_unsigned_v<Number> && !std::is_same_v<Number, bool>) bool read(Number& value) {
    const std::string_view read = word();
    return number(read, value) || wrong("'" + shown(read) + "' is no such number");
  }
  bool read(Duration& value) {
    const std::string_view read = word();
    const auto duration = parse_duration(read);
    if (duration) value = *duration;
    return duration || wrong("'" + shown(read) + "' is no time such as 60s, 1500ms or 7ns");
  }
  bool read(TimePoint& value) {
    const std::string_view read = word();
    const auto at = parse_time(read);
    if (at) value = *at;
    return at || wrong("'" + shown(read) + "' is no time of the device's clock such as 8183.25");
  }
  bool read(std::string& value) {
    if (!take('"')) return wrong("a text in \" is missing");
    while (at_ < text_.size() && text_[at_] != '"') {
      char each = text_[at_++];
      if (each == '\\') {
        const bool has_digits = text_.size() - at_ >= 3 && text_[at_] == 'x';
        const std::size_t high = has_digits ? hex.find(text_[at_ + 1]) : hex.npos;
        const std::size_t low = has_digits ? hex.find(text_[at_ + 2]) : hex.npos;
        if (high == hex.npos || low == hex.npos) return wrong("after \\ in a text xNN is missing");
        each = static_cast<char>(high * 16 + low);
        at_ += 3;
      }
      value += each;
    }
    return take('"') || wrong("a text has no end");
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  bool read(Enum& value) {
    const std::string_view read = word();
    const auto known = spelled<Enum>(read);
    if (known) value = *known;
    return known || wrong(std::string{spelling(value).type} + " has no '" + shown(read) + "'");
  }
  template <class Value>
  bool read(std::optional<Value>& value) {
    return read(value.emplace());
  }
  template <class Value>
  bool read(std::vector<Value>& values) {
    if (!take('[')) return wrong("a list in [] is missing");
    while (!take(']')) {
      if (!values.empty() && !take(' ')) return wrong("a list has no end");
      if (!read(values.emplace_back())) return false;
    }
    return true;
  }
  template <class... Alternatives>
  bool read(std::variant<Alternatives...>& value) {
    const std::string_view name = word();
    bool good = false;
    const auto try_one = [&]<class Alternative>(const Alternative*) {
      if (description<Alternative>.name != name) return false;
      good = read_fields(value = Alternative{}, static_cast<Alternative*>(nullptr));
      return true;
    };
    const bool known = (try_one(static_cast<const Alternatives*>(nullptr)) || ...);
    return known ? good : wrong("there is no '" + shown(name) + "'");
  }
  template <class Struct>
  requires std::is_class_v<Struct>
  bool read(Struct& value) {
    const std::string_view name = word();
    if (name != description<Struct>.name) {
      return wrong("'" + shown(name) + "' instead of '" + std::string{description<Struct>.name} + "'");
    }
    return read_fields(value);
  }

  std::string_view rest() const { return text_.substr(at_); }
  const std::string& problem() const { return problem_; }

 private:
  template <class Variant, class Struct>
  bool read_fields(Variant& value, Struct*) {
    return read_fields(std::get<Struct>(value));
  }
  /// Those that are not left out, in their order.
  template <class Struct>
  bool read_fields(Struct& value) {
    constexpr auto& type = description<Struct>;
    const bool open = take('{');
    bool first = true;
    const auto read_field = [&](const auto& field) {
      auto& member = value.*field.member;
      const std::string next = (first ? "" : " ") + std::string{field.name} + "=";
      if (!open || !rest().starts_with(next)) {
        member = {};
        return is_left_out(member) || wrong(std::string{type.name} + " lacks '" + std::string{field.name} + "'");
      }
      at_ += next.size();
      first = false;
      return read(member);
    };
    const bool good = std::apply([&](const auto&... field) { return (read_field(field) && ...); }, type.fields);
    if (!good) return false;
    return !open || take('}') || wrong(std::string{type.name} + " has a field that is not known here");
  }

  bool peek(char wanted) const { return at_ < text_.size() && text_[at_] == wanted; }
  bool take(char wanted) {
    if (!peek(wanted)) return false;
    ++at_;
    return true;
  }
  std::string_view word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }
  static std::string shown(std::string_view word) { return std::string{word.substr(0, 40)}; }
  bool wrong(std::string what) {
    problem_ = std::move(what);
    return false;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string problem_;
};

}  // namespace

std::string to_text(const TunnelEvent& event) {
  return written(event);
}

std::string to_text(const TunnelAction& action) {
  return written(action);
}

std::string to_text(const TunnelState& state) {
  std::string text{phase_name(state.phase)};
  if (const auto* opening = std::get_if<Opening>(&state.phase)) text += " " + std::string{to_string(opening->phase)};
  text += " attempt=" + std::to_string(state.attempt) + " relay=" + std::to_string(state.failover.current());
  if (const auto due = next_deadline(state)) text += " due=" + to_text(*due);
  if (const ForwardTable* forwards = forwards_of(state.phase)) {
    text += " listeners=[";
    for (const ForwardProgress& each : *forwards) {
      if (text.back() != '[') text += ' ';
      text += to_string(each.state);
    }
    text += ']';
  }
  return text;
}

tl::expected<ParsedEvent, std::string> parse_event(std::string_view text) {
  Reader reader{text};
  TunnelEvent event;
  if (!reader.read(event)) return tl::unexpected{reader.problem()};
  const std::string_view read = text.substr(0, text.size() - reader.rest().size());
  if (to_text(event) != read) return tl::unexpected{"it is written as " + to_text(event)};
  return ParsedEvent{std::move(event), reader.rest()};
}

std::string to_text(Duration duration) {
  const auto* const unit = std::find_if(std::begin(units), std::end(units),
                                        [&](const auto& each) { return duration.count() % each.second == 0; });
  return std::to_string(duration.count() / unit->second) + std::string{unit->first};
}

std::optional<Duration> parse_duration(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("-0123456789"), text.size());
  std::int64_t count = 0;
  for (const auto& [name, length] : units) {
    if (text.substr(digits) != name || !number(text.substr(0, digits), count)) continue;
    std::int64_t nanoseconds = 0;
    if (__builtin_mul_overflow(count, length, &nanoseconds)) return std::nullopt;
    const Duration duration{nanoseconds};
    return duration >= -longest && duration <= longest ? std::optional{duration} : std::nullopt;
  }
  return std::nullopt;
}

std::string to_text(TimePoint at) {
  const std::int64_t count = at.time_since_epoch().count();
  const std::int64_t fraction = count % a_second;
  std::string text = std::to_string(count / a_second);
  if (fraction == 0) return text;
  const std::string digits = std::to_string(fraction < 0 ? -fraction : fraction);
  text += "." + std::string(9 - digits.size(), '0') + digits;
  return text.substr(0, text.find_last_not_of('0') + 1);
}

std::optional<TimePoint> parse_time(std::string_view text) {
  const std::size_t point = std::min(text.find('.'), text.size());
  std::int64_t seconds = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + point, seconds);
  if (error != std::errc{} || end != text.data() + point) return std::nullopt;
  std::string digits{text.substr(std::min(point + 1, text.size()))};
  if (digits.size() > 9 || digits.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  digits.resize(9, '0');
  std::int64_t count = 0;
  if (seconds < 0 || __builtin_mul_overflow(seconds, a_second, &count) ||
      __builtin_add_overflow(count, std::stoll(digits), &count)) {
    return std::nullopt;
  }
  const TimePoint at{Duration{count}};
  return at <= TimePoint{longest} && to_text(at) == text ? std::optional{at} : std::nullopt;
}

}  // namespace holdfast::record
