#include "core/timers.hpp"

#include <algorithm>
#include <cstdlib>

#include "holdfast/enumerators.hpp"

namespace holdfast {
namespace {

using Due = std::optional<TimePoint>;

/// While TCP does not move, no answer is late.
Due postponed(Due at, const LiveSession& session) {
  if (at && session.judged_after) at = std::max(*at, *session.judged_after);
  return at;
}

Due lease_due(const TunnelState& state) {
  if (const auto* draining = std::get_if<Draining>(&state.phase)) return draining->lease.due();
  const auto* session = session_of(state.phase);
  if (session == nullptr) return std::nullopt;
  return session->lease.ready() ? session->lease.due() : postponed(session->lease.due(), *session);
}

}  // namespace

std::optional<TimePoint> due(const TunnelState& state, Timer timer) {
  const auto* session = session_of(state.phase);
  switch (timer) {
    case Timer::phase:
      if (const auto* opening = std::get_if<Opening>(&state.phase)) return opening->deadline;
      return std::nullopt;
    case Timer::retry:
      if (const auto* waiting = std::get_if<BackingOff>(&state.phase)) return waiting->until;
      return std::nullopt;
    case Timer::teardown:
      if (const auto* closing = std::get_if<Closing>(&state.phase)) return closing->deadline;
      return std::nullopt;
    case Timer::drain:
      if (const auto* draining = std::get_if<Draining>(&state.phase)) return draining->deadline;
      return std::nullopt;
    case Timer::sign:
      return session == nullptr ? std::nullopt : session->sign_due;
    case Timer::listeners:
      return session == nullptr ? std::nullopt : postponed(session->listeners.due(), *session);
    case Timer::lease:
      return lease_due(state);
    case Timer::silence:
      return session == nullptr ? std::nullopt : session->liveness.due();
    case Timer::proofs:
      return session == nullptr ? std::nullopt : postponed(session->proofs.due(), *session);
    case Timer::fail_back:
      if (const auto* established = std::get_if<Established>(&state.phase)) {
        return established->fail_back ? established->fail_back->due() : std::nullopt;
      }
      return std::nullopt;
  }
  std::abort();
}

std::optional<TimePoint> next_deadline(const TunnelState& state) {
  std::optional<TimePoint> first;
  for (const Timer timer : enumerators<Timer>) first = earlier(first, due(state, timer));
  return first;
}

}  // namespace holdfast
