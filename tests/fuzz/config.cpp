#include <algorithm>

#include "config/document.hpp"
#include "config/load.hpp"
#include "fuzz/fuzz.hpp"
#include "unit/config/fake_files.hpp"

namespace {

using namespace holdfast::config;
using holdfast::fuzz::promise;

void look_at(const Problems& problems, std::string_view text) {
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  promise(problems.size() <= 101, "a hundred problems are told, and how many more there are");
  for (const Problem& problem : problems) {
    promise(holdfast::fuzz::is_harmless_line(to_string(problem)), "a problem is a line that a terminal can show");
    promise(problem.line >= 0 && problem.line <= lines, "a problem stands in the text");
    promise((problem.line == 0) == (problem.column == 0) && problem.column >= 0, "a place has a line and a column");
  }
}

void run(std::string_view input) {
  const FakeFiles files;
  const auto loaded = parse(input, "h.yaml", files);
  if (!loaded) {
    promise(!loaded.error().empty(), "what is refused has a reason");
    return look_at(loaded.error(), input);
  }
  look_at(loaded->warnings, input);
  const std::string yaml = to_yaml(loaded->config);
  if (yaml.size() > max_document_bytes) return;
  const auto again = parse(yaml, "h.yaml", files);
  promise(again.has_value(), "the effective configuration is a configuration");
  promise(again->config == loaded->config, "the effective configuration reads back the same");
}

const holdfast::fuzz::Harness harness("config", run);

}  // namespace
