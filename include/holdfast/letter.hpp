#pragma once

#include <string_view>

/// What of a text may reach a terminal, or a log that a terminal shows.
namespace holdfast {

struct Letter {
  std::string_view bytes;  ///< one byte where the text is no UTF-8
  /// Not of what is no UTF-8 (RFC 3629), of control characters (C0, a line break too, DEL, C1), of separators of lines,
  /// and of what changes the direction of what is shown.
  bool harmless = false;
};

/// The first letter of a text that is not empty.
Letter first_letter(std::string_view text);

}  // namespace holdfast
