#include "holdfast/diagnosis.hpp"

#include <algorithm>
#include <cstdlib>

#include "core/diagnosis/judges.hpp"

namespace holdfast {

namespace {

Judgement* lowest(std::vector<Judgement>& judgements, CheckResult result) {
  const auto found = std::find_if(judgements.begin(), judgements.end(), [&](const Judgement& judgement) {
    return judgement.result == result && !judgement.hidden_by;
  });
  return found == judgements.end() ? nullptr : &*found;
}

/// What fails below a layer that the relay's packets come through is not needed: another interface, server or address
/// serves.
void soften(std::vector<Judgement>& judgements) {
  bool carried = false;
  std::for_each(judgements.rbegin(), judgements.rend(), [&](Judgement& judgement) {
    if (!hides(judgement.layer, Layer::proof) || judgement.layer == Layer::device) return;
    if (carried && judgement.result == CheckResult::fail) judgement.result = CheckResult::warn;
    carried = carried || (judgement.layer >= Layer::tcp && judgement.result == CheckResult::pass);
  });
}

void explain(std::vector<Judgement>& judgements) {
  for (Judgement& upper : judgements) {
    if (upper.result == CheckResult::pass) continue;
    for (const Judgement& lower : judgements) {
      if (lower.result != CheckResult::fail || !lower.cause || !hides(lower.layer, upper.layer)) continue;
      if (facts_of(*lower.cause).severity == Severity::error) upper.hidden_by = lower.layer;
      break;
    }
  }
}

struct Judge {
  Layer layer;
  Judgement operator()(const Skipped& skipped) const { return {layer, CheckResult::skip, skipped.why}; }
  Judgement operator()(const StepFindings& found) const { return diagnosis::judge(layer, found); }
  Judgement operator()(const auto& found) const { return diagnosis::judge(found); }
};

}  // namespace

std::string_view to_string(CheckResult result) {
  switch (result) {
    case CheckResult::pass:
      return "pass";
    case CheckResult::warn:
      return "warn";
    case CheckResult::fail:
      return "fail";
    case CheckResult::skip:
      return "skip";
  }
  std::abort();
}

Judgement judge(Layer layer, const Finding& finding) {
  Judgement judgement = std::visit(Judge{layer}, finding);
  judgement.layer = layer;  // whatever the cause's own is
  return judgement;
}

Diagnosis diagnose(const Findings& findings) {
  Diagnosis diagnosis;
  for (const auto& [layer, finding] : findings) diagnosis.judgements.push_back(judge(layer, finding));
  soften(diagnosis.judgements);
  explain(diagnosis.judgements);
  const Judgement* fault = lowest(diagnosis.judgements, CheckResult::fail);
  if (fault == nullptr) fault = lowest(diagnosis.judgements, CheckResult::warn);
  if (fault != nullptr) diagnosis.answer = fault->layer;
  return diagnosis;
}

CheckResult result_of(const Diagnosis& diagnosis) {
  for (const Judgement& judgement : diagnosis.judgements) {
    if (judgement.layer == diagnosis.answer) return judgement.result;
  }
  return CheckResult::pass;
}

std::string answer_of(const Diagnosis& diagnosis) {
  for (const Judgement& judgement : diagnosis.judgements) {
    if (judgement.layer != diagnosis.answer) continue;
    std::string text{facts_of(judgement.cause.value()).sentence};
    if (!judgement.measured.empty()) text += " (" + judgement.measured + ")";
    return text;
  }
  return {};
}

}  // namespace holdfast
