#include "core/diagnosis/judges.hpp"

/// The steps that only a session can take, and the keepalives that it needs.
namespace holdfast::diagnosis {
namespace {

/// RFC 4253, 5.1: 1.99 speaks both.
bool speaks_ssh_1_only(const std::string& banner) {
  return banner.starts_with("SSH-1.") && !banner.starts_with("SSH-1.99-");
}

/// What a session calls by how it ended is named here by what it heard instead of a banner.
std::optional<Cause> cause_at_banner(const StepFindings& found) {
  const std::string& said = found.said;
  if (speaks_ssh_1_only(said)) return Cause::relay_too_old;
  if (said.starts_with("HTTP/") || said.starts_with("<")) return Cause::captive_portal;
  if (said.starts_with("Exceeded MaxStartups")) return Cause::relay_penalty;
  if (!found.failure || !said.empty()) return std::nullopt;
  const Cause cause = found.failure->cause;
  const bool silent = cause == Cause::connection_lost || cause == Cause::phase_timed_out;
  return silent ? std::optional{Cause::no_banner} : std::nullopt;
}

}  // namespace

Judgement judge(Layer layer, const StepFindings& found) {
  const auto other = layer == Layer::banner ? cause_at_banner(found) : std::nullopt;
  if (!found.failure && !other) return {layer, CheckResult::pass, found.measured, std::nullopt, found.evidence};
  const std::string what = found.failure ? describe(*found.failure) : "it said \"" + found.said + "\"";
  Judgement judgement =
      other ? blame(*other, what) : blame(found.failure->cause, what, std::string{remedy(*found.failure)});
  if (!found.measured.empty()) judgement.evidence.push_back(found.measured);
  judgement.evidence.insert(judgement.evidence.end(), found.evidence.begin(), found.evidence.end());
  if (judgement.cause == Cause::target_down) judgement.result = CheckResult::fail;  // though the session stands
  return judgement;
}

Judgement judge(const KeepaliveFindings& found) {
  if (found.forgotten && *found.forgotten <= found.interval)
    return blame(Cause::keepalive_too_rare, "forgotten after " + seconds(*found.forgotten));
  return pass(Layer::keepalive, "every " + seconds(found.interval));
}

}  // namespace holdfast::diagnosis
