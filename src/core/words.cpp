#include "holdfast/words.hpp"

#include <algorithm>

namespace holdfast {

std::string in_words(std::string_view name) {
  std::string words{name};
  std::replace(words.begin(), words.end(), '_', ' ');
  return words;
}

}  // namespace holdfast
