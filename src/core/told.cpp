#include "holdfast/told.hpp"

#include <algorithm>

#include "core/tunnel_words.hpp"

namespace holdfast {
namespace {

/// How long the log is silent about a failure that only repeats itself.
constexpr Duration repetition_quiet = std::chrono::minutes{1};
/// A relay that words each failure differently gets no more of our memory.
constexpr std::size_t most_failures = 8;

Announce proof_line(const Proof& proof, const std::string& forward, bool was_bad) {
  if (is_good(proof.result)) return {was_bad ? LogLevel::info : LogLevel::verbose, "verified: " + forward};
  const Failure& failure = proof.failure.value();
  if (facts_of(failure.cause).severity == Severity::note) {
    const std::string why = failure.detail.empty() ? "" : ": " + failure.detail;
    return {LogLevel::info, "can't be verified: " + forward + why + ". " + std::string{remedy(failure)}};
  }
  // Not the last error: that is why a session ended, and the status shows what a proof found elsewhere.
  return {LogLevel::error, with_remedy(failure), failure, false};
}

}  // namespace

std::vector<Announce> ToldOfSession::listeners(const TunnelSpec& spec, const ForwardTable& forwards, bool established,
                                               std::string_view server) {
  std::vector<Announce> lines;
  for (std::size_t index = 0; index < listeners_.size(); ++index) {
    const ForwardProgress& forward = forwards[index];
    std::optional<Listener>& told = listeners_[index];
    if (forward.state == ForwardState::held && told != Listener{}) {
      told = Listener{};
      if (established)
        lines.push_back({LogLevel::info, "now holding " + forward_name(spec, index, forward.bound_port)});
    }
    if (forward.state == ForwardState::refused && told != Listener{forward.explanation->refusal}) {
      told = Listener{forward.explanation->refusal};
      const Failure failure = listen_refused(spec, index, *forward.explanation, server);
      lines.push_back({LogLevel::error, with_remedy(failure), failure});
    }
  }
  return lines;
}

std::vector<Announce> ToldOfSession::proofs(const TunnelSpec& spec, const ForwardTable& forwards,
                                            const Proofs& proofs) {
  std::vector<Announce> lines;
  for (std::size_t index = 0; index < proofs_.size(); ++index) {
    const auto& proof = proofs.result(index);
    std::optional<ProofResult>& told = proofs_[index];
    if (!proof || told == proof->result) continue;
    lines.push_back(proof_line(*proof, forward_name(spec, index, forwards[index].bound_port), told && is_bad(*told)));
    told = proof->result;
  }
  return lines;
}

std::optional<unsigned> ToldFailures::note(const Failure& failure, TimePoint now) {
  const auto same = [&failure](const Told& told) { return told.failure == failure; };
  unsigned untold = 0;
  if (const auto known = std::find_if(told_.begin(), told_.end(), same); known != told_.end()) {
    if (now - known->at < repetition_quiet) {
      ++known->repeated;
      return std::nullopt;
    }
    untold = known->repeated;
    told_.erase(known);
  }
  if (told_.size() == most_failures) told_.erase(told_.begin());
  told_.push_back({failure, now});
  return untold;
}

Announce ToldFailures::failed(const Failure& failure, const std::string& next_try, TimePoint now) {
  const auto untold = note(failure, now);
  const std::string times = untold.value_or(0) == 0 ? "" : " (and " + std::to_string(*untold) + " times before)";
  return {untold ? LogLevel::error : LogLevel::verbose,
          describe(failure) + times + "; " + next_try + ". " + std::string{remedy(failure)}, failure};
}

Announce ToldFailures::folded(Announce line, TimePoint now) {
  if (line.failure && !note(*line.failure, now)) line.level = LogLevel::verbose;
  return line;
}

}  // namespace holdfast
