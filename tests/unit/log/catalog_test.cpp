#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "log/line.hpp"

using namespace holdfast;

namespace {

/// In lines of at most 76 letters: journalctl puts two before each.
std::string wrapped(std::string_view text) {
  std::istringstream words{std::string{text}};
  std::string out;
  std::size_t length = 0;
  for (std::string word; words >> word; length += word.size()) {
    const bool fits = length + 1 + word.size() <= 76;
    if (length > 0) out += fits ? " " : "\n";
    length = length > 0 && fits ? length + 1 : 0;
    out += word;
  }
  return out + "\n";
}

/// systemd's catalog format, an entry a cause.
std::string catalog() {
  std::string text =
      "# What `journalctl -x` shows below a line of holdfast's: src/core/cause.cpp has the words. The test\n"
      "# unit_log writes what this file has to hold into its build folder.\n";
  for (const CauseFacts& facts : all_causes()) {
    const Cause cause = facts.cause;
    std::string name{to_string(cause)};
    for (char& letter : name) letter = letter == '_' ? ' ' : letter;
    text += "\n-- " + log::message_id(cause) + "\nSubject: holdfast: " + name +
            "\nDefined-By: holdfast\nDocumentation: man:holdfast(8)\n\n" + wrapped(remedy(cause));
  }
  return text;
}

}  // namespace

TEST_CASE("journald's catalog has each cause with what to do") {
  std::ofstream(HOLDFAST_CATALOG_WANTED) << catalog();
  std::ifstream shipped(HOLDFAST_CATALOG);
  const std::string text{std::istreambuf_iterator<char>{shipped}, std::istreambuf_iterator<char>{}};
  CHECK_MESSAGE(text == catalog(), HOLDFAST_CATALOG " has to become " HOLDFAST_CATALOG_WANTED);
}

TEST_CASE("a cause's id is its own, and stays") {
  std::set<std::string> ids;
  for (const CauseFacts& facts : all_causes()) CHECK(ids.insert(log::message_id(facts.cause)).second);
  for (const std::string& id : ids) {
    CHECK(id.size() == 32);
    CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
  }
}
