#include "config/wording.hpp"

#include <doctest/doctest.h>

using namespace holdfast::config;

TEST_CASE("a shell reads a word back, whatever is in it") {
  CHECK(shell_word("tunnel@relay.example:22") == "tunnel@relay.example:22");
  CHECK(shell_word("SHA256:a+b/c=") == "SHA256:a+b/c=");
  CHECK(shell_word("a b") == "'a b'");
  CHECK(shell_word("it's") == "'it'\\''s'");
  CHECK(shell_word("tunnel@[::1]") == "'tunnel@[::1]'");
  CHECK(shell_word("") == "''");
}
