#include <doctest/doctest.h>

#include "lab/atlas/atlas.hpp"

namespace holdfast::lab {

void check_answer(const Seen& seen, const std::string& cause, Duration limit) {
  INFO(seen.text);
  // Where the tunnel was not started nothing else is said, and that only where there is nothing else.
  const bool only_looked_at = cause.empty() && seen.cause() == "not_started";
  CHECK((only_looked_at || seen.cause() == cause));
  REQUIRE((only_looked_at || seen.answer.empty() == cause.empty()));
  CHECK(seen.exit_status == (seen.answer.empty() ? 0 : seen.layers.at(seen.answer).result == "fail" ? 2 : 1));
  CHECK(seen.took < limit);
}

}  // namespace holdfast::lab
