#include "fuzz/fuzz.hpp"
#include "status/json.hpp"
#include "status/plugin_line.hpp"
#include "status/printable.hpp"
#include "status/table.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::status;
using fuzz::promise;

/// As the commands print what answers on the socket.
void run(std::string_view input) {
  const std::string text{input};
  promise(fuzz::is_harmless(error_text(text)), "an error can be shown");
  const auto report = from_json(text);
  if (!report) {
    promise(fuzz::is_harmless(report.error()), "why it is no document can be shown");
    return;
  }
  const std::string shown = table(*report, Colour::no);
  promise(fuzz::is_harmless(shown) && printable(shown) == shown, "a table can be shown");
  table(*report, Colour::ansi);
  const std::string line = plugin_line(*report);
  promise(fuzz::is_harmless_line(line), "the monitoring line is one");
  promise(line.substr(line.find('|')).starts_with("| 'tunnels_up'="), "nobody else begins the performance data");
  promise(plugin_exit_status(health(*report)) <= 3, "an exit status is one of four");

  const std::string document = to_json(*report);
  const auto again = from_json(document);
  promise(again.has_value(), "a document reads back");
  promise(to_json(*again) == document, "a document reads back the same");
}

const fuzz::Harness harness("status_document", run);

}  // namespace
