#include "holdfast/letter.hpp"

#include <doctest/doctest.h>

#include <string>

using namespace holdfast;

namespace {

bool is_one_letter(const std::string& text, bool harmless) {
  const std::string followed = text + "xyz";
  const Letter letter = first_letter(followed);
  return letter.harmless == harmless && letter.bytes == text && first_letter(text).bytes == text;
}

bool is_one_harmless_letter(const std::string& text) {
  return is_one_letter(text, true);
}

bool is_one_harmful_letter(const std::string& text) {
  return is_one_letter(text, false);
}

bool is_no_utf8(std::string_view text) {
  const Letter letter = first_letter(text);
  return !letter.harmless && letter.bytes == text.substr(0, 1);
}

}  // namespace

TEST_CASE("a letter of any script is harmless, and has all its bytes") {
  for (const char* const text : {" ", "~", "ä", "\xc2\xa0", "\xe0\xa0\x80", "д", "機", "\xed\x9f\xbf", "\xee\x80\x80",
                                 "\xf0\x90\x80\x80", "\xf0\x9f\x9a\xa2", "\xf4\x8f\xbf\xbf"}) {
    CAPTURE(text);
    CHECK(is_one_harmless_letter(text));
  }
  CHECK(first_letter("ähnlich").bytes == "ä");
}

TEST_CASE("what a terminal obeys is not harmless, and is one letter") {
  CHECK(is_one_harmful_letter(std::string(1, '\0')));
  for (const char* const control : {"\n", "\r", "\t", "\x1b", "\x1f", "\x7f", "\xc2\x80", "\xc2\x9b", "\xc2\x9f"}) {
    CAPTURE(control);
    CHECK(is_one_harmful_letter(control));
  }
  for (const char* const separator : {"\xe2\x80\xa8", "\xe2\x80\xa9"}) CHECK(is_one_harmful_letter(separator));
}

TEST_CASE("what changes the direction of what is shown is not harmless; its neighbours are") {
  for (const char* const turn :
       {"\xd8\x9c", "\xe2\x80\x8e", "\xe2\x80\x8f", "\xe2\x80\xaa", "\xe2\x80\xae", "\xe2\x81\xa6", "\xe2\x81\xa9"}) {
    CAPTURE(turn);
    CHECK(is_one_harmful_letter(turn));
  }
  for (const char* const beside : {"\xd8\x9b", "\xd8\x9d", "\xe2\x80\x8d", "\xe2\x80\x90", "\xe2\x80\xa7",
                                   "\xe2\x80\xaf", "\xe2\x81\xa5", "\xe2\x81\xaa"}) {
    CAPTURE(beside);
    CHECK(is_one_harmless_letter(beside));
  }
}

TEST_CASE("what is no UTF-8 is not harmless, and is taken byte by byte") {
  for (const char* const text : {"\x80", "\x9b", "\x9b\x80", "\xbf\xbf", "\xbf", "\xff", "\xc0\x9b", "\xc1\xbf",
                                 "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80",
                                 "\xf5\x80\x80\x80", "\xc3(", "\xe2\x80(", "\xc3", "\xe2\x80", "\xf0\x9f\x9a"}) {
    CAPTURE(text);
    CHECK(is_no_utf8(text));
  }
}
