#include "holdfast/failure.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace holdfast;

TEST_CASE("every cause has a name of its own and a remedy that ends as a sentence") {
  std::set<std::string_view> names;
  for (int value = 0; value <= static_cast<int>(Cause::local_error); ++value) {
    const auto cause = static_cast<Cause>(value);
    CHECK(names.insert(to_string(cause)).second);
    REQUIRE(remedy(cause).size() > 20);
    CHECK(remedy(cause).back() == '.');
  }
}

TEST_CASE("a failure reads as operation, subject, cause and detail") {
  CHECK(describe({Cause::host_key_changed, "verify host key of", "relay:22", "SHA256:abc"}) ==
        "verify host key of relay:22: host key changed (SHA256:abc)");
  CHECK(describe({Cause::connection_refused, "connect", "relay:22", "Connection refused"}) ==
        "connect relay:22: connection refused");
  CHECK(describe({Cause::relay_silent, "keep alive", "", ""}) == "keep alive: relay silent");
}
