#include "doctor/audit.hpp"
#include "fuzz/fuzz.hpp"

namespace {

using namespace holdfast;

/// What a relay says of itself: how ssh logged its banner, and what the script printed there.
void run(std::string_view input) {
  const std::string log{fuzz::take_line(input)};
  doctor::RelaySeen seen = doctor::read_audit(std::string{input}, "tunnel");
  seen.banner = doctor::banner_of(log);
  for (const doctor::Remark& remark : doctor::judge_relay(seen))
    fuzz::promise(!remark.about.empty() && !remark.what.empty(), "a remark says something");
}

const fuzz::Harness harness("relay_audit", run);

}  // namespace
