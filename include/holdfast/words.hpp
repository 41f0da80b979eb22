#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace holdfast {

/// A name of the status or of the log, for people: "requesting forwards" for "requesting_forwards".
std::string in_words(std::string_view name);

/// One behind the other, with `between` in between: "a, b".
std::string joined(const std::vector<std::string>& parts, std::string_view between);
/// With the letters A to Z in lower case.
std::string lower(std::string_view text);

}  // namespace holdfast
