#include "fuzz/fuzz.hpp"
#include "holdfast/diagnosis.hpp"
#include "status/diagnosis_text.hpp"
#include "status/findings_json.hpp"
#include "status/printable.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::status;
using fuzz::promise;

/// As `holdfast doctor` shows what comes from the control socket, or stands in a file.
void run(std::string_view input) {
  const auto line = from_line(input);
  if (line) {
    const std::string written = to_line(line->first, line->second);
    const auto again = from_line(written);
    promise(again.has_value(), "a line reads back");
    promise(to_line(again->first, again->second) == written, "a line reads back the same");
  }

  if (const auto recorded = read_recorded(std::string{input}))
    fuzz::promise(!recorded->empty(), "what is read is not empty");
  const auto findings = read_findings(std::string{input});
  if (!findings) return;
  const Diagnosis diagnosis = diagnose(*findings);
  promise(diagnosis.judgements.size() == findings->size(), "each layer is judged");
  std::string shown = conclusion(diagnosis, Colour::no) + not_reached(diagnosis.judgements, Colour::no);
  for (const Judgement& judgement : diagnosis.judgements) shown += text_of(judgement, Colour::no);
  promise(fuzz::is_harmless(shown) && printable(shown) == shown, "a diagnosis can be shown");

  const std::string document = to_json("relay", *findings, diagnosis);
  const auto again = read_findings(document);
  promise(again.has_value(), "a document reads back");
  promise(to_json("relay", *again, diagnose(*again)) == document, "a document reads back the same");
}

const fuzz::Harness harness("findings", run);

}  // namespace
