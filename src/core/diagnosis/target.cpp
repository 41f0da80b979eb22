#include "core/diagnosis/judges.hpp"

namespace holdfast::diagnosis {

Judgement judge(const TargetFindings& found) {
  std::vector<Judgement> each;
  for (const TargetFindings::Target& target : found.targets) {
    if (target.said != TargetFindings::Said::not_connected) {
      each.push_back(pass(Layer::target, target.target + " takes connections"));
      continue;
    }
    Judgement down = blame(Cause::target_down, target.target + ": " + target.detail);
    down.result = CheckResult::fail;
    each.push_back(std::move(down));
  }
  return each.empty() ? Judgement{Layer::target, CheckResult::skip, "there is no forward"} : worst(std::move(each));
}

}  // namespace holdfast::diagnosis
