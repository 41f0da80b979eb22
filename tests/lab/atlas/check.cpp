#include <doctest/doctest.h>

#include "lab/atlas/atlas.hpp"

namespace holdfast::lab {

void check_answer(const Seen& seen, const std::string& cause, Duration limit) {
  INFO(seen.text);
  CHECK(seen.cause() == cause);
  REQUIRE(seen.answer.empty() == cause.empty());
  CHECK(seen.exit_status == (cause.empty() ? 0 : seen.layers.at(seen.answer).result == "fail" ? 2 : 1));
  CHECK(seen.took < limit);
}

}  // namespace holdfast::lab
