#include <algorithm>

#include "config/duration.hpp"
#include "config/forward_syntax.hpp"
#include "fuzz/fuzz.hpp"
#include "holdfast/words.hpp"
#include "ssh/algorithms.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::config;
using fuzz::promise;

/// Whether it was taken; what is refused says why.
template <class Value>
bool taken(const tl::expected<Value, std::string>& result) {
  if (!result) promise(fuzz::is_harmless_line(result.error()) && !result.error().empty(), "an error is a line");
  return result.has_value();
}

void try_numbers(std::string_view text) {
  if (const auto duration = parse_duration(text); taken(duration)) {
    promise(duration->count() >= 0 && *duration <= std::chrono::days{400}, "a duration is bounded");
    promise(parse_duration(format_duration(*duration)) == duration, "a duration reads back the same");
  }
  if (const auto size = parse_size(text); taken(size)) {
    promise(*size <= std::uint64_t{1} << 50U, "a size is bounded");
    promise(parse_size(format_size(*size)) == size, "a size reads back the same");
  }
}

void try_forwards(std::string_view text) {
  const auto forward = parse_forward(text);
  if (taken(forward)) {
    promise(parse_forward(format_forward(*forward)) == forward, "a forward reads back the same");
    promise(parse_forward(listener_name(*forward) + " " + target_name(forward->target)) == forward,
            "a blank may stand between a forward's sides");
  }
  const auto listener = parse_listener(text);
  if (taken(listener)) {
    promise(parse_listener(listener_name(*listener)) == listener, "a listener reads back the same");
    promise(listeners_collide(*listener, *listener) == (listener->port != 0), "a listener collides with itself");
  }
  if (forward && listener)
    promise(listeners_collide(*forward, *listener) == listeners_collide(*listener, *forward), "both collide or none");
  if (const auto target = parse_target(text); taken(target))
    promise(parse_target(target_name(*target)) == target, "a target reads back the same");
  if (const auto relay = parse_relay(text); taken(relay) && relay->port != 0)
    promise(parse_relay(target_name(*relay)) == relay, "a relay reads back the same");
}

void try_algorithms(std::string_view text) {
  const std::vector<std::string> names = ssh::resolve_algorithms(text, ssh::default_macs);
  for (const std::string& name : names)
    promise(!name.empty() && name.find(',') == std::string::npos, "a list is taken apart at its commas");
  const std::string list = joined(names, ",");
  if (!list.empty() && std::string_view{"+-^"}.find(list.front()) == std::string_view::npos)
    promise(ssh::resolve_algorithms(list, "") == names, "a list reads back the same");
}

void run(std::string_view input) {
  try_numbers(input);
  try_forwards(input);
  try_algorithms(input);
}

const fuzz::Harness harness("config_syntax", run);

}  // namespace
