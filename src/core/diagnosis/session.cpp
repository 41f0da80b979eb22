#include <algorithm>
#include <chrono>

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
  if (found.failure && found.failure->cause == Cause::phase_timed_out && !said.empty() && !said.starts_with("SSH-"))
    return Cause::protocol_mismatch;
  if (!found.failure || !said.empty()) return std::nullopt;
  const Cause cause = found.failure->cause;
  const bool silent = cause == Cause::connection_lost || cause == Cause::phase_timed_out;
  return silent ? std::optional{Cause::no_banner} : std::nullopt;
}

/// "15 s", "0.5 s"
std::string silence(Milliseconds time) {
  const bool whole = time % std::chrono::seconds{1} == Milliseconds::zero() || time >= std::chrono::seconds{10};
  return whole ? std::to_string(std::chrono::round<std::chrono::seconds>(time).count()) + " s" : seconds(time);
}

std::string how_often(const KeepaliveFindings& found) {
  return found.interval == Milliseconds::zero() ? "none is sent" : "every " + silence(found.interval);
}

/// Half of what is kept, so that one that is late still comes in time; the configuration takes whole seconds.
std::string wiser_interval(const KeepaliveFindings& found) {
  const Milliseconds half = found.survived.value_or(found.forgotten.value()) / 2;
  const auto wiser = std::max(std::chrono::floor<std::chrono::seconds>(half), std::chrono::seconds{1});
  return "Set server_alive_interval to " + std::to_string(wiser.count()) + "s: half of what " +
         (found.survived ? "is kept." : "is too long. Then measure again.");
}

/// Beside the cause's sentence: "connect to relay.example:22: the kernel says why".
std::string met(const Failure& failure) {
  std::string text = failure.operation;
  if (!failure.subject.empty()) text += " " + failure.subject;
  return failure.detail.empty() ? text : text + ": " + failure.detail;
}

}  // namespace

Judgement judge(Layer layer, const StepFindings& found) {
  const auto other = layer == Layer::banner ? cause_at_banner(found) : std::nullopt;
  if (!found.failure && !other) return {layer, CheckResult::pass, found.measured, std::nullopt, found.evidence};
  const bool by_words = !found.failure || other == Cause::protocol_mismatch;
  const std::string what = by_words ? "it said \"" + found.said + "\"" : met(*found.failure);
  Judgement judgement =
      other ? blame(*other, what) : blame(found.failure->cause, what, std::string{remedy(*found.failure)});
  if (!found.measured.empty()) judgement.evidence.push_back(found.measured);
  judgement.evidence.insert(judgement.evidence.end(), found.evidence.begin(), found.evidence.end());
  if (judgement.cause == Cause::target_down) judgement.result = CheckResult::fail;  // though the session stands
  return judgement;
}

Judgement judge(const KeepaliveFindings& found) {
  std::string what = how_often(found);
  if (found.survived) what += "; a flow that is silent for " + silence(*found.survived) + " is kept";
  if (found.forgotten) {
    what += found.survived ? ", and after " : "; a silent flow is forgotten after ";
    what += silence(*found.forgotten);
    if (found.survived) what += " it is forgotten";
    const bool too_rare = found.interval == Milliseconds::zero() || *found.forgotten <= found.interval;
    if (too_rare) return blame(Cause::keepalive_too_rare, what, wiser_interval(found));
  }
  const bool unsure = found.interval == Milliseconds::zero() || found.survived < found.interval;
  if (found.ended) {
    what += "; the relay itself ends a silent flow after " + silence(*found.ended) + ": longer is not known";
  } else if (unsure && found.survived) {
    what += "; longer was not tried";
  }
  return pass(Layer::keepalive, what);
}

}  // namespace holdfast::diagnosis
