#include "doctor/segment.hpp"

#include <vector>

#include "fuzz/fuzz.hpp"

namespace {

using holdfast::doctor::parse_segment;
using holdfast::fuzz::promise;

void run(std::string_view input) {
  const std::vector<std::uint8_t> packet(input.begin(), input.end());
  const auto segment = parse_segment(packet);
  promise(!segment || segment->from.is_v4() == segment->to.is_v4(), "both addresses are of one family");
  promise(!segment || packet.size() >= 40, "a segment has its headers");
}

const holdfast::fuzz::Harness harness("segment", run);

}  // namespace
