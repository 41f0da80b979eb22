// Runs test cases, and exits 77 if one of them was skipped; the last line says why. As ctest runs it, that is the one.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <iostream>

#include "relays/row.hpp"

namespace holdfast::test {
namespace {

std::string why_skipped;

}  // namespace

void skip(const std::string& why) {
  why_skipped = why;
}

}  // namespace holdfast::test

int main(int argc, char** argv) {
  const int code = doctest::Context(argc, argv).run();
  if (code != 0 || holdfast::test::why_skipped.empty()) return code;
  std::cout << "skipped: " << holdfast::test::why_skipped << std::endl;
  return 77;
}
