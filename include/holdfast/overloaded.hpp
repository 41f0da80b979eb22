#pragma once

namespace holdfast {

/// std::visit with one lambda an alternative; a missing one does not compile.
template <class... Handlers>
struct overloaded : Handlers... {  // NOLINT(readability-identifier-naming): the idiom's own name
  using Handlers::operator()...;
};
template <class... Handlers>
overloaded(Handlers...) -> overloaded<Handlers...>;

}  // namespace holdfast
