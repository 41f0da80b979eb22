#include "status/printable.hpp"

#include <doctest/doctest.h>

#include <string>

using holdfast::status::printable;

TEST_CASE("text in any script stays as it is") {
  for (const char* const text :
       {"", "relay.example:22", "zwei\nZeilen", "Gerät", "прибор", "機器", "\xf0\x9f\x9a\xa2"}) {
    CHECK(printable(text) == text);
  }
}

TEST_CASE("what a terminal obeys is not passed on") {
  CHECK(printable("\x1b]0;owned\x07\x1b[2J") == "?]0;owned??[2J");
  CHECK(printable("over\rwritten\b\x7f\t") == "over?written???");
  CHECK(printable(std::string("nul\0byte", 8)) == "nul?byte");
  CHECK(printable("c1 \xc2\x9b"
                  "2J") == "c1 ?2J");
  CHECK(printable("\xe2\x80\xaetxt.exe\xe2\x81\xa6") == "?txt.exe?");
  CHECK(printable("\xe2\x80\xa8") == "?");
}

TEST_CASE("what is no UTF-8 is not passed on either") {
  CHECK(printable("\x9b\x32J") == "?2J");             // a C1 control of an 8-bit terminal
  CHECK(printable("\xc0\x9b") == "??");               // overlong
  CHECK(printable("\xe0\x82\x9b") == "???");          // overlong
  CHECK(printable("\xed\xa0\x80") == "???");          // a surrogate
  CHECK(printable("\xf4\x90\x80\x80") == "????");     // beyond Unicode
  CHECK(printable("cut \xf0\x9f\x9a") == "cut ???");  // the end is missing
  CHECK(printable("\xc3(") == "?(");
}

TEST_CASE("a name stays on its line") {
  CHECK(printable("two\nlines") == "two\nlines");
  CHECK(holdfast::status::printable_name("gate\nway\x1b") == "gate?way?");
}
