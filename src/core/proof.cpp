#include "holdfast/proof.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "holdfast/enumerators.hpp"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

constexpr Duration open_timeout = 10s;  ///< for the relay to connect to itself, or not
/// For the connection to come back and the target to take it, which may itself take 10 s (src/forward/).
constexpr Duration return_timeout = 15s;
/// How long a target that took the connection may think before it counts as one that does not speak first.
constexpr Duration target_silence = 3s;
/// After a failure the next proof comes this soon, and then after twice as long each time, up to verify_interval.
constexpr Duration first_retry = 30s;
/// A new session for a broken path costs every connection of this one: not more often than this, and then after twice
/// as long each time, up to an hour.
constexpr Duration first_renewal = 5min;
constexpr Duration longest_renewal = 1h;

Cause cause_of(ProofResult result) {
  switch (result) {
    case ProofResult::target_down:
      return Cause::target_down;
    case ProofResult::not_permitted:
      return Cause::proof_not_permitted;
    case ProofResult::lookup_failed:
      return Cause::proof_lookup_failed;
    case ProofResult::path_broken:
      return Cause::path_broken;
    case ProofResult::unanswered:
      return Cause::proof_unanswered;
    case ProofResult::verified:
    case ProofResult::connected:
      break;
  }
  std::abort();
}

Failure failure_of(ProofResult result, std::string detail, const RemoteForward& forward, std::uint16_t bound_port) {
  if (result == ProofResult::target_down) {
    return {Cause::target_down, "connect to", target_name(forward.target), std::move(detail)};
  }
  RemoteForward bound = forward;
  bound.port = bound_port;
  Failure failure{cause_of(result), "verify", listener_name(bound), std::move(detail)};
  if (result == ProofResult::not_permitted) {
    // What sshd compares, letter by letter, with what it is asked to connect to.
    bound.bind_address = KnockHosts{forward}.current();
    failure.remedy =
        "Nothing is known to be wrong; to have it verified, let the account connect to its own listener: "
        "AllowTcpForwarding yes, and where the key has permitopen, permitopen=\"" +
        listener_name(bound) + "\", letter by letter.";
  }
  return failure;
}

}  // namespace

std::string_view to_string(ProofResult result) {
  return spelling(result).name;
}

bool is_good(ProofResult result) {
  return result == ProofResult::verified || result == ProofResult::connected;
}

bool is_bad(ProofResult result) {
  return !is_good(result) && result != ProofResult::not_permitted && result != ProofResult::lookup_failed;
}

std::vector<ProofAction> Proofs::update(const ForwardTable& forwards, const Turn& turn) {
  if (turn.spec.verify_interval == Duration::zero()) return {};
  for (std::size_t index = 0; index < table_.size(); ++index) {
    if (forwards[index].state != ForwardState::held) continue;
    Entry& entry = table_[index];
    entry.bound_port = forwards[index].bound_port;
    if (!entry.last && !entry.due && !(running_ && running_->forward == index)) entry.due = turn.now;
  }
  return start_next(turn);
}

Conclusion<ProofAction> Proofs::advanced(const ProofAdvanced& news, const Turn& turn, ProofHistory& history) {
  if (!running_ || running_->forward != news.forward) return {};
  in_use_ = news.in_use;
  switch (news.news) {
    case ProofNews::opened:
      running_->opened = true;
      by_address_ = by_address_ || running_->hosts.by_address();
      running_->deadline = turn.now + return_timeout;
      return {};
    case ProofNews::nobody_listens:
      return not_opened(KnockFailure::nobody_listens, "", turn, history);
    case ProofNews::not_connected:
      return not_opened(KnockFailure::not_connected, news.detail, turn, history);
    case ProofNews::not_permitted:
      return not_opened(KnockFailure::not_permitted, "", turn, history);
    case ProofNews::not_opened:
      return finish(ProofResult::unanswered, "the relay could not open the connection", turn, history);
    case ProofNews::target_failed:
      return finish(ProofResult::target_down, news.detail, turn, history);
    case ProofNews::returned:
      if (running_->answered) return finish(ProofResult::verified, "", turn, history);
      running_->returned = true;
      running_->deadline = turn.now + target_silence;
      return {};
    case ProofNews::answered:
      if (running_->returned) return finish(ProofResult::verified, "", turn, history);
      running_->answered = true;  // the mark may still be on its way
      return {};
    case ProofNews::stranger:
      return finish(ProofResult::path_broken, "somebody else answers there", turn, history);
    case ProofNews::ended:
      if (running_->returned) return finish(ProofResult::connected, "", turn, history);
      return finish(ProofResult::path_broken, "somebody else took the connection and ended it", turn, history);
  }
  std::abort();
}

Conclusion<ProofAction> Proofs::expired(const Turn& turn, ProofHistory& history) {
  if (!running_) return {start_next(turn)};
  if (turn.now < running_->deadline) return {};
  return finish_at_deadline(turn, history);
}

Conclusion<ProofAction> Proofs::finish_at_deadline(const Turn& turn, ProofHistory& history) {
  const Running& running = running_.value();
  if (running.returned) return finish(ProofResult::connected, "", turn, history);
  if (running.answered) return finish(ProofResult::path_broken, "somebody else answers there", turn, history);
  if (running.opened) return finish(ProofResult::path_broken, "the connection did not come back to us", turn, history);
  return not_opened(KnockFailure::not_connected, "no answer within " + to_text(open_timeout), turn, history);
}

Conclusion<ProofAction> Proofs::not_opened(KnockFailure why, const std::string& words, const Turn& turn,
                                           ProofHistory& history) {
  Running& running = running_.value();
  const auto found = running.hosts.failed(why, words);
  if (!found) {
    running.deadline = turn.now + open_timeout;
    return {{Prove{running.forward, running.hosts.current()}}};
  }
  const std::string detail = "the relay " + running.hosts.in_words();
  switch (*found) {
    case KnockFailure::not_permitted:
      return finish(ProofResult::not_permitted, "", turn, history);
    case KnockFailure::no_lookup:
      return finish(ProofResult::lookup_failed, detail, turn, history);
    case KnockFailure::not_connected:
      return finish(ProofResult::unanswered, detail, turn, history);
    case KnockFailure::nobody_listens:
      return finish(ProofResult::path_broken, "nobody listens there", turn, history);
  }
  std::abort();
}

std::vector<ProofAction> Proofs::start_next(const Turn& turn) {
  if (running_) return {};
  for (std::size_t index = 0; index < table_.size(); ++index) {
    Entry& entry = table_[index];
    if (!entry.due || turn.now < *entry.due) continue;
    entry.due.reset();
    running_ = Running{index, KnockHosts{turn.spec.remote_forward[index], by_address_}, turn.now + open_timeout};
    return {Prove{index, running_->hosts.current()}};
  }
  return {};
}

Conclusion<ProofAction> Proofs::finish(ProofResult result, std::string detail, const Turn& turn,
                                       ProofHistory& history) {
  const std::size_t index = running_.value().forward;
  running_.reset();
  Entry& entry = table_[index];
  ProofHistory::Path& path = history.paths[index];

  const unsigned failures_before = entry.last ? entry.last->failures : 0;
  entry.broken = result == ProofResult::path_broken ? entry.broken + 1 : 0;
  entry.last = Proof{result, turn.now, is_bad(result) ? failures_before + 1 : 0, std::nullopt};
  if (!is_good(result)) {
    entry.last->failure = with_remedy_for(
        server_, failure_of(result, std::move(detail), turn.spec.remote_forward[index], entry.bound_port));
  }

  if (result == ProofResult::path_broken) {
    if (!path.broken_since) path.broken_since = turn.now;
  } else if (result != ProofResult::unanswered) {
    path.broken_since.reset();
  }
  if (is_good(result)) {
    path.proven = true;
    history.renewals = 0;
  }

  const Duration interval = turn.spec.verify_interval;
  if (result != ProofResult::not_permitted) {
    const Duration wait = !is_bad(result) ? interval : doubled(first_retry, entry.last->failures - 1, interval);
    // Spread by a quarter either way, so that a fleet does not prove in step.
    entry.due = turn.now + std::chrono::duration_cast<Duration>(wait * (0.75 + 0.5 * turn.jitter()));
  }

  std::vector<ProofAction> actions{EndProof{}};
  for (const ProofAction& action : start_next(turn)) actions.push_back(action);
  return {std::move(actions), verdict(turn.now, history)};
}

std::optional<TimePoint> Proofs::due() const {
  if (running_) return running_->deadline;
  std::optional<TimePoint> first;
  for (const Entry& entry : table_) first = earlier(first, entry.due);
  return first;
}

/// Asks for a new session for a forward whose path was found broken twice.
Verdict Proofs::verdict(TimePoint now, ProofHistory& history) const {
  const bool too_soon =
      history.last_renewal &&
      now - *history.last_renewal < doubled(first_renewal, std::max(history.renewals, 1U) - 1, longest_renewal);
  if (in_use_ || too_soon) return Stay{};
  const auto broken = std::find_if(table_.begin(), table_.end(), [](const Entry& entry) { return entry.broken >= 2; });
  if (broken == table_.end()) return Stay{};
  history.last_renewal = now;
  ++history.renewals;
  return Drain{ThenRetry{broken->last.value().failure.value()}};
}

}  // namespace holdfast
