#include "arguments.hpp"

#include <sstream>
#include <stdexcept>

namespace holdfast::bench {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) {
    words.push_back(word);
  }
  return words;
}

unsigned count(const std::string& option, const std::string& text, unsigned most) {
  const bool digits = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoul(text) == 0 || std::stoul(text) > most) {
    throw std::invalid_argument(option + " needs a number from 1 to " + std::to_string(most) + ", not '" + text + "'");
  }
  return static_cast<unsigned>(std::stoul(text));
}

}  // namespace holdfast::bench
