#include "status/printable.hpp"

#include <algorithm>

#include "fuzz/fuzz.hpp"
#include "log/line.hpp"

namespace {

using namespace holdfast;
using fuzz::promise;

void run(std::string_view input) {
  const std::string shown = status::printable(input);
  promise(fuzz::is_harmless(shown), "a terminal can show it");
  promise(shown.size() <= input.size(), "it does not grow");
  promise(std::count(shown.begin(), shown.end(), '\n') == std::count(input.begin(), input.end(), '\n'),
          "line breaks stay");
  promise(status::printable(shown) == shown, "what can be shown stays as it is");

  const std::string logged = log::printable(input);
  promise(fuzz::is_harmless_line(logged), "the log has it on one line");
  promise(logged.size() <= log::max_text_bytes + 3, "the log's lines are bounded");
  promise(status::printable(logged) == logged, "what the log has can be shown");
  if (logged.size() <= log::max_text_bytes) promise(log::printable(logged) == logged, "what was logged stays as it is");
}

const fuzz::Harness harness("printable", run);

}  // namespace
