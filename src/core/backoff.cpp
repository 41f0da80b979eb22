#include "holdfast/backoff.hpp"

#include <algorithm>
#include <cstdlib>

namespace holdfast {
namespace {

/// first * 2^failures, at most cap; `first` may be anything up to cap without overflow.
Duration ceiling(const BackoffSchedule& schedule, unsigned failures) {
  Duration wait = std::min(schedule.first, schedule.cap);
  for (unsigned n = 0; n < failures && wait < schedule.cap; ++n) {
    wait = wait > schedule.cap / 2 ? schedule.cap : wait * 2;
  }
  return wait;
}

}  // namespace

BackoffFamily backoff_family(Cause cause) {
  switch (cause) {
    case Cause::name_not_found:
    case Cause::resolver_unavailable:
    case Cause::connection_refused:
    case Cause::connection_timed_out:
    case Cause::unreachable:
    case Cause::local_address_unavailable:
    case Cause::connection_lost:
    case Cause::relay_disconnected:
    case Cause::idle_timeout:
    case Cause::session_timeout:
    case Cause::relay_silent:
    case Cause::path_mtu:
    case Cause::phase_timed_out:
    case Cause::key_exchange_failed:
    case Cause::integrity_failed:
    case Cause::operator_request:
    case Cause::local_error:
    case Cause::protocol_mismatch:
    case Cause::target_down:
    case Cause::proof_not_permitted:
    case Cause::proof_lookup_failed:
    case Cause::proof_unanswered:
      return BackoffFamily::network;
    case Cause::forward_refused:
    case Cause::listener_held_live:
    case Cause::listener_held_stale:
    case Cause::listener_held_by_other_device:
    case Cause::listener_held_by_twin:
    case Cause::path_broken:
    case Cause::agent_unusable:  // it may yet start, and the relay has refused nothing
      return BackoffFamily::listener;
    case Cause::protocol_error:
    case Cause::no_common_algorithm:
    case Cause::host_key_unknown:
    case Cause::host_key_changed:
    case Cause::host_key_revoked:
    case Cause::host_key_not_pinned:
    case Cause::known_hosts_unusable:
    case Cause::identity_unusable:
    case Cause::authentication_refused:
      return BackoffFamily::refused;
    case Cause::relay_penalty:
      return BackoffFamily::penalty;
  }
  std::abort();
}

Duration Backoff::next_wait(const BackoffSpec& spec, Cause cause, Duration outage, const UnitRandom& jitter) {
  const auto draw = [&](const BackoffSchedule& schedule, unsigned& failures) {
    Duration limit = ceiling(schedule, failures);
    if (&failures == &network_) limit = std::min(limit, std::max(schedule.first, outage / 8));
    ++failures;
    return std::chrono::duration_cast<Duration>(limit * jitter());
  };
  switch (backoff_family(cause)) {
    case BackoffFamily::network:
      return draw(spec.network, network_);
    case BackoffFamily::listener:
      return draw(spec.listener, listener_);
    case BackoffFamily::refused:
      return draw(spec.refused, refused_);
    case BackoffFamily::penalty:
      return spec.penalty.first + draw(spec.penalty, penalty_);
  }
  std::abort();
}

void Backoff::reset() {
  *this = {};
}

}  // namespace holdfast
