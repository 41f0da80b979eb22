#include "holdfast/enumerators.hpp"

#include <doctest/doctest.h>

#include <vector>

using namespace holdfast;

namespace {

enum class Fruit { apple, pear, plum };

std::string_view to_string(Fruit fruit) {
  return fruit == Fruit::apple ? "an apple" : fruit == Fruit::pear ? "a pear" : "a plum";
}

struct Basket {
  enum class Kind { open };
};

}  // namespace

TEST_CASE("all enumerators are found, in their order") {
  CHECK(std::vector<Fruit>(enumerators<Fruit>.begin(), enumerators<Fruit>.end()) ==
        std::vector{Fruit::apple, Fruit::pear, Fruit::plum});
  static_assert(enumerators<Basket::Kind>.size() == 1);
}

TEST_CASE("an enumerator is told by its type and its name") {
  CHECK(spelling(Fruit::plum).type == "Fruit");
  CHECK(spelling(Fruit::plum).name == "plum");
  CHECK(spelling(Basket::Kind::open).type == "Kind");
  CHECK(spelled<Fruit>("pear") == Fruit::pear);
  CHECK_FALSE(spelled<Fruit>("a pear"));
}

TEST_CASE("an enumerator is found by what to_string() calls it") {
  CHECK(named<Fruit>("a pear") == Fruit::pear);
  CHECK_FALSE(named<Fruit>("pear"));
  CHECK_FALSE(named<Fruit>(""));
}
