#include "core/opening.hpp"

#include <algorithm>
#include <cstdlib>

namespace holdfast {
namespace {

/// TCP's own retries of a SYN come after 1, 3, 7, 15 s: a young outage is met by fresh attempts instead.
constexpr Duration first_connect_timeout = std::chrono::seconds{3};
/// With another relay to turn to, a name server that does not answer is not waited for longer than glibc's first retry,
/// which comes after 5 s.
constexpr Duration first_resolve_timeout = std::chrono::seconds{6};

}  // namespace

Duration limit_of(OpeningPhase phase, const TunnelSpec& spec, Duration outage, bool another_address) {
  const bool alone = spec.relays.size() <= 1;
  const Duration connect_limit = std::min(spec.connect_timeout, std::max(first_connect_timeout, outage / 8));
  switch (phase) {
    case OpeningPhase::resolve:
      return alone ? spec.connect_timeout
                   : std::min(spec.connect_timeout, std::max(first_resolve_timeout, connect_limit));
    case OpeningPhase::connect:
      return connect_limit;
    case OpeningPhase::banner:
      return alone && !another_address ? spec.connect_timeout : connect_limit;
    case OpeningPhase::key_exchange:
    case OpeningPhase::authenticate:
      return spec.connect_timeout;
  }
  std::abort();
}

}  // namespace holdfast
