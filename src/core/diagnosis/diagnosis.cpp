#include "holdfast/diagnosis.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/diagnosis/judges.hpp"

namespace holdfast {

namespace {

/// What it passes with has crossed all below it.
bool carries(Layer layer) {
  return layer == Layer::neighbour || (layer >= Layer::path && hides(layer, Layer::proof));
}

/// A handful of small packets shows nothing of large ones, and a connection nothing of whom it leads to.
bool shows_otherwise(Layer passed, const Judgement& judgement) {
  if (judgement.cause == Cause::path_mtu) return passed >= Layer::key_exchange;
  if (judgement.cause == Cause::nameserver_lies) return passed >= Layer::host_key;
  return true;
}

Judgement* lowest(std::vector<Judgement>& judgements, CheckResult result) {
  const auto found = std::find_if(judgements.begin(), judgements.end(), [&](const Judgement& judgement) {
    return judgement.result == result && !judgement.hidden_by;
  });
  return found == judgements.end() ? nullptr : &*found;
}

/// What fails below a layer that the relay's packets come through is not needed: another interface, server or address
/// serves.
void soften(std::vector<Judgement>& judgements) {
  std::optional<Layer> carried;  // the highest that passes
  for (auto judgement = judgements.rbegin(); judgement != judgements.rend(); ++judgement) {
    if (!hides(judgement->layer, Layer::proof) || judgement->layer == Layer::device) continue;
    if (carried && shows_otherwise(*carried, *judgement)) {
      if (judgement->result == CheckResult::fail) judgement->result = CheckResult::warn;
      // Somebody answers echoes in the relay's place, and hands on the rest.
      if (judgement->cause == Cause::answered_on_the_way) judgement->result = CheckResult::pass;
    }
    if (!carried && carries(judgement->layer) && judgement->result == CheckResult::pass) carried = judgement->layer;
  }
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

namespace {

template <typename Kind>
const Kind* find(const Findings& findings, Layer layer) {
  const auto found = findings.find(layer);
  return found == findings.end() ? nullptr : std::get_if<Kind>(&found->second);
}

}  // namespace

Diagnosis diagnose(const Findings& findings) {
  Diagnosis diagnosis;
  for (const auto& [layer, finding] : findings) {
    Judgement judgement = judge(layer, finding);
    if (const auto* tcp = find<TcpFindings>(findings, Layer::tcp); tcp != nullptr && layer == Layer::tcp)
      judgement = diagnosis::judge(*tcp, find<PathFindings>(findings, Layer::path));
    judgement.layer = layer;
    diagnosis.judgements.push_back(std::move(judgement));
  }
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
