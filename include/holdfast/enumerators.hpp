#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

/// All enumerators of an enumeration, and how C++ spells them: the compiler finds them, so that no list can lack one.
/// The enumeration has to count from 0 and leave no number out.
namespace holdfast {

/// "ForwardState" and "held".
struct Spelling {
  std::string_view type;
  std::string_view name;
};

namespace detail {

/// g++ and clang end this function's name in "holdfast::ForwardState::held]", and in "(holdfast::ForwardState)7]" where
/// no enumerator has the value.
template <auto value>
constexpr std::optional<Spelling> spelling() {
  constexpr std::string_view text = __PRETTY_FUNCTION__;
  constexpr std::size_t name = text.find_last_of(":)") + 1;
  if (text[name - 1] == ')') return std::nullopt;
  constexpr std::size_t type = text.find_last_of(": ", name - 3) + 1;
  return Spelling{text.substr(type, name - 2 - type), text.substr(name, text.size() - name - 1)};
}

template <class Enum, std::size_t from = 0>
constexpr std::size_t count() {
  if constexpr (spelling<static_cast<Enum>(from)>()) {
    return count<Enum, from + 1>();
  } else {
    return from;
  }
}

template <class Enum, std::size_t... values>
constexpr auto list(std::index_sequence<values...> /*of them*/) {
  return std::array{static_cast<Enum>(values)...};
}

template <class Enum, std::size_t... values>
constexpr auto spell(std::index_sequence<values...> /*of them*/) {
  return std::array{*spelling<static_cast<Enum>(values)>()...};
}

template <class Enum>
constexpr auto spellings = spell<Enum>(std::make_index_sequence<count<Enum>()>{});

}  // namespace detail

/// In their order.
template <class Enum>
constexpr auto enumerators = detail::list<Enum>(std::make_index_sequence<detail::count<Enum>()>{});

template <class Enum>
constexpr Spelling spelling(Enum value) {
  return detail::spellings<Enum>.at(static_cast<std::size_t>(value));
}

/// The one that to_string() calls so.
template <class Enum>
constexpr std::optional<Enum> named(std::string_view name) {
  for (const Enum each : enumerators<Enum>) {
    if (to_string(each) == name) return each;
  }
  return std::nullopt;
}

/// The one that C++ spells so.
template <class Enum>
constexpr std::optional<Enum> spelled(std::string_view name) {
  for (const Enum each : enumerators<Enum>) {
    if (spelling(each).name == name) return each;
  }
  return std::nullopt;
}

}  // namespace holdfast
