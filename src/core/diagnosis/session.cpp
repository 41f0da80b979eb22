#include "core/diagnosis/judges.hpp"

/// The steps that only a session can take, and the keepalives that it needs.
namespace holdfast::diagnosis {

Judgement judge(Layer layer, const StepFindings& found) {
  if (!found.failure) return {layer, CheckResult::pass, found.measured, std::nullopt, found.evidence};
  Judgement judgement = blame(found.failure->cause, describe(*found.failure), std::string{remedy(*found.failure)});
  judgement.evidence = found.evidence;
  if (judgement.cause == Cause::target_down) judgement.result = CheckResult::fail;  // though the session stands
  return judgement;
}

Judgement judge(const KeepaliveFindings& found) {
  if (found.forgotten && *found.forgotten <= found.interval)
    return blame(Cause::keepalive_too_rare, "forgotten after " + seconds(*found.forgotten));
  return pass(Layer::keepalive, "every " + seconds(found.interval));
}

}  // namespace holdfast::diagnosis
