#pragma once

#include <string>
#include <string_view>

namespace holdfast::status {

/// Text from whoever answers on the socket, made fit for a terminal. These become '?': control characters (C0 but a
/// line break, DEL, C1), those that change the direction of what is shown, and what is no UTF-8.
std::string printable(std::string_view text);
/// A name, made fit for a terminal: a line break becomes '?' too.
std::string printable_name(std::string_view text);

}  // namespace holdfast::status
