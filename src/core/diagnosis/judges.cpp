#include "core/diagnosis/judges.hpp"

#include <algorithm>
#include <utility>

namespace holdfast::diagnosis {

Judgement pass(Layer layer, std::string measured) {
  return {layer, CheckResult::pass, std::move(measured)};
}

Judgement blame(Cause cause, std::string measured, std::string next_step) {
  const CauseFacts& facts = facts_of(cause);
  Judgement judgement{facts.layer, CheckResult::pass, std::move(measured), cause};
  if (facts.severity == Severity::error) judgement.result = CheckResult::fail;
  if (facts.severity == Severity::warning) judgement.result = CheckResult::warn;
  judgement.next_step = next_step.empty() ? std::string{facts.remedy} : std::move(next_step);
  return judgement;
}

Judgement worst(std::vector<Judgement> judgements) {
  const auto badness = [](const Judgement& judgement) {
    return judgement.result == CheckResult::fail   ? 3
           : judgement.result == CheckResult::warn ? 2
           : judgement.cause                       ? 1
                                                   : 0;
  };
  std::stable_sort(judgements.begin(), judgements.end(),
                   [&](const Judgement& left, const Judgement& right) { return badness(left) > badness(right); });
  Judgement first = judgements.front();
  for (auto other = judgements.begin() + 1; other != judgements.end(); ++other) {
    first.evidence.push_back(other->measured);
    first.evidence.insert(first.evidence.end(), other->evidence.begin(), other->evidence.end());
  }
  return first;
}

std::string listed(const std::vector<std::string>& words) {
  std::string text;
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (at > 0) text += at + 1 == words.size() ? " and " : ", ";
    text += words[at];
  }
  return text;
}

std::string seconds(Milliseconds time) {
  const auto count = time.count();
  if (count < 1000) return std::to_string(count) + " ms";
  return std::to_string(count / 1000) + "." + std::to_string(count % 1000 / 100) + " s";
}

}  // namespace holdfast::diagnosis
