#pragma once

#include <string>
#include <vector>

namespace holdfast::bench {

/// "a,b" -> {"a", "b"}
std::vector<std::string> split(const std::string& list);

/// A number from 1 to `most`. Throws std::invalid_argument with a text for the user.
unsigned count(const std::string& option, const std::string& text, unsigned most = 999);

}  // namespace holdfast::bench
