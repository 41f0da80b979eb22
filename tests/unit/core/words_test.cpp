#include "holdfast/words.hpp"

#include <doctest/doctest.h>

#include "holdfast/hash.hpp"

using namespace holdfast;

TEST_CASE("a name is read with blanks") {
  CHECK(in_words("requesting_forwards") == "requesting forwards");
}

TEST_CASE("texts are joined with what comes between") {
  CHECK(joined({}, ", ").empty());
  CHECK(joined({"a"}, ", ") == "a");
  CHECK(joined({"a", "b", "c"}, "; ") == "a; b; c");
}

TEST_CASE("the letters A to Z become lower case, and nothing else") {
  CHECK(lower("AZ az 09 @[`{ \xC3\x84") == "az az 09 @[`{ \xC3\x84");
}

TEST_CASE("a hash is FNV-1a's, at once or in pieces") {
  CHECK(fnv1a("") == 0xcbf29ce484222325);
  CHECK(fnv1a("a") == 0xaf63dc4c8601ec8c);
  CHECK(fnv1a("foobar") == 0x85944171f73967e8);
  CHECK(fnv1a("bar", fnv1a("foo")) == fnv1a("foobar"));
}
