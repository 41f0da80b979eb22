#include <doctest/doctest.h>

#include "lab/atlas/atlas.hpp"

using namespace holdfast::lab;

TEST_CASE("nothing is wrong, with and without a daemon") {
  Bedside bedside;
  check_answer(bedside.examine(), "");
  bedside.establish();
  check_answer(bedside.examine(), "", std::chrono::seconds{10});
}

TEST_CASE("the link is switched off") {
  Bedside bedside;
  bedside.lab.set_device_link(false);
  const Seen seen = bedside.examine();
  check_answer(seen, "link_down");
  CHECK(seen.layers.at("route").hidden_by == "link");
}

TEST_CASE("nobody listens at the relay's port") {
  Bedside bedside;
  bedside.relay.terminate();
  check_answer(bedside.examine(), "connection_refused", std::chrono::seconds{10});
}
