#include <algorithm>
#include <string_view>

#include "core/diagnosis/judges.hpp"
#include "holdfast/hops.hpp"

/// The path and TCP.
namespace holdfast::diagnosis {
namespace {

std::string bytes(unsigned size) {
  return std::to_string(size) + " bytes";
}

/// Small packets pass, full ones vanish, and nobody says so. What passes at no size at all is a host's own taste.
std::optional<Judgement> judge_large(const PathFindings& found) {
  const PathFindings::Large* lost = nullptr;
  const PathFindings::Large* passed = nullptr;
  for (const PathFindings::Large& large : found.large) {
    if (!large.passed && large.detail.empty() && (lost == nullptr || large.size < lost->size)) lost = &large;
    if (large.passed && (passed == nullptr || large.size > passed->size)) passed = &large;
  }
  if (lost == nullptr || passed == nullptr || passed->size > lost->size) return std::nullopt;
  return blame(Cause::path_mtu, "echoes of " + bytes(passed->size) + " are answered, of " + bytes(lost->size) +
                                    " are not, and no ICMP tells why");
}

std::string words_of(const PathFindings::Echo& echo) {
  std::string words = echo.to + " answers an echo after " + seconds(echo.round_trip);
  if (echo.ttl) words += " (TTL " + std::to_string(*echo.ttl) + ")";
  return words;
}

bool says_prohibited(std::string_view detail) {
  return detail.find("filtered") != std::string_view::npos || detail.find("prohibited") != std::string_view::npos ||
         detail.find("Port Unreachable") != std::string_view::npos ||
         detail.find("Port unreachable") != std::string_view::npos;
}

const PathFindings::Echo* echo_of(const PathFindings* path, const std::string& host) {
  if (path == nullptr) return nullptr;
  const auto echo = std::find_if(path->echoes.begin(), path->echoes.end(),
                                 [&](const PathFindings::Echo& each) { return each.to == host; });
  return echo == path->echoes.end() ? nullptr : &*echo;
}

/// Nobody has handed it on, though somebody has to.
bool is_on_the_way(const PathFindings::Echo& echo) {
  return echo.ttl && hops_of(*echo.ttl) == 0 && !echo.neighbour;
}

bool comes_from_it(const PathFindings::Echo* echo) {
  return echo != nullptr && echo->from == echo->to;
}

/// Nearer than what answers an echo?
bool is_nearer(const TcpFindings::Try& one, const PathFindings::Echo* echo) {
  if (one.short_of_relay) return true;
  return one.ttl && comes_from_it(echo) && echo->ttl && hops_of(*one.ttl) < hops_of(*echo->ttl);
}

Judgement judge_try(const TcpFindings& found, const TcpFindings::Try& one, const PathFindings* path) {
  const std::string host = host_of(one.to);
  const PathFindings::Echo* echo = echo_of(path, host);
  const std::string measured = one.to + ": " + one.detail;
  if (!one.answered_from.empty() && one.answered_from != host)
    return blame(Cause::answered_from_elsewhere, one.to + " was asked, and " + one.answered_from + " answered");
  if (one.failed == Cause::connection_refused && is_nearer(one, echo)) {
    return blame(Cause::reset_on_the_way,
                 measured + (one.short_of_relay ? ", even where it can't get as far as the relay"
                                                : ", with TTL " + std::to_string(one.ttl.value_or(0)) +
                                                      " where an echo has " + std::to_string(echo->ttl.value_or(0))));
  }
  if (one.failed == Cause::unreachable && echo != nullptr) {
    if (says_prohibited(echo->detail)) return blame(Cause::reset_on_the_way, measured + "; " + echo->detail);
    if (comes_from_it(echo)) return blame(Cause::reset_on_the_way, measured + ", while it answers an echo");
  }
  Judgement judgement = blame(one.failed.value_or(Cause::connection_timed_out), measured);
  if (one.failed == Cause::connection_timed_out) {
    if (found.captured && one.answered_from.empty()) judgement.evidence.emplace_back("captured: nothing came back");
    if (echo != nullptr && echo->answered > 0 && echo->from != echo->to)
      judgement.evidence.push_back("an echo to it was answered by " + echo->from);
    if (comes_from_it(echo) && is_on_the_way(*echo)) {
      judgement.evidence.emplace_back("what answers an echo to it is nearer than it is");
    } else if (comes_from_it(echo)) {
      judgement.evidence.emplace_back("it answers an echo: a firewall drops the port, or its answers leave elsewhere");
    }
  }
  return judgement;
}

}  // namespace

Judgement judge(const PathFindings& found) {
  for (const PathFindings::Echo& echo : found.echoes) {
    if (!echo.from.empty() && echo.from != echo.to)
      return blame(Cause::answered_from_elsewhere, echo.to + " was asked, and " + echo.from + " answered");
  }
  if (auto hole = judge_large(found)) return *hole;
  std::string said;
  bool silent = false;  // to one that was sent, which says nothing
  for (const PathFindings::Echo& echo : found.echoes) {
    if (echo.answered == 0) {
      silent = silent || echo.detail.empty();
      if (said.empty() && !echo.detail.empty()) said = echo.to + ": " + echo.detail;
      continue;
    }
    if (is_on_the_way(echo))
      return blame(Cause::answered_on_the_way, words_of(echo) + ", as only a neighbour's would be");
    Judgement judgement = pass(Layer::path, words_of(echo));
    for (const PathFindings::Large& large : found.large) {
      judgement.evidence.push_back(bytes(large.size) + (large.passed           ? " pass"
                                                        : large.detail.empty() ? " are not answered"
                                                                               : ": " + large.detail));
    }
    return judgement;
  }
  if (!said.empty() && !silent && !says_prohibited(said)) return blame(Cause::unreachable, said);
  Judgement nothing{Layer::path, CheckResult::skip, "no echo is answered, which says nothing"};
  if (!said.empty()) nothing.measured = said;
  if (found.echoes.empty() && !found.not_permitted.empty()) nothing.measured = found.not_permitted;
  return nothing;
}

Judgement judge(const TcpFindings& found) {
  return judge(found, nullptr);
}

Judgement judge(const TcpFindings& found, const PathFindings* path) {
  for (const TcpFindings::Try& one : found.tries) {
    if (!one.failed) return pass(Layer::tcp, one.to + " takes connections, after " + seconds(one.took));
  }
  if (found.tries.empty()) return {Layer::tcp, CheckResult::skip, "there was no address to try"};
  std::vector<Judgement> all;
  for (const TcpFindings::Try& one : found.tries) all.push_back(judge_try(found, one, path));
  // Who answers, if only to refuse, says most; then what lies on the way; then silence. That this device has no way to
  // an address at all says least: another address of the relay's may not need it.
  const auto says = [](const Judgement& judgement) {
    if (judgement.cause == Cause::unreachable) return judgement.measured.ends_with("Network is unreachable") ? 3 : 1;
    return judgement.cause == Cause::connection_timed_out ? 2 : 0;
  };
  std::stable_sort(all.begin(), all.end(),
                   [&](const Judgement& one, const Judgement& other) { return says(one) < says(other); });
  for (const TcpFindings::Try& one : found.others) {
    if (all.front().cause != Cause::connection_timed_out) break;
    if (one.failed) {
      all.front().evidence.push_back(one.to + " refuses: packets to there come back");
      continue;
    }
    Judgement blocked =
        blame(Cause::port_blocked, found.tries.front().to + " does not answer, and " + one.to + " takes connections");
    blocked.evidence = all.front().evidence;
    return blocked;
  }
  return worst(std::move(all));
}

}  // namespace holdfast::diagnosis
