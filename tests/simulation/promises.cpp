#include "simulation/promises.hpp"

#include <cstdlib>

namespace holdfast::simulation {

std::string_view to_string(Promise promise) {
  switch (promise) {
    case Promise::held_in_time:
      return "held_in_time";
    case Promise::one_session:
      return "one_session";
    case Promise::acts_on_what_is_there:
      return "acts_on_what_is_there";
    case Promise::always_a_deadline:
      return "always_a_deadline";
    case Promise::waits_by_schedule:
      return "waits_by_schedule";
    case Promise::starts_over:
      return "starts_over";
    case Promise::attempts_bounded:
      return "attempts_bounded";
    case Promise::others_untouched:
      return "others_untouched";
    case Promise::stops_in_time:
      return "stops_in_time";
    case Promise::folds_its_log:
      return "folds_its_log";
    case Promise::notices_silence:
      return "notices_silence";
    case Promise::proves_after_change:
      return "proves_after_change";
    case Promise::verifies_in_time:
      return "verifies_in_time";
    case Promise::guard_spares_the_living:
      return "guard_spares_the_living";
    case Promise::request_goes_to_the_preferred:
      return "request_goes_to_the_preferred";
    case Promise::stands_by_quietly:
      return "stands_by_quietly";
  }
  std::abort();
}

std::string_view given_by(Promise promise) {
  switch (promise) {
    case Promise::held_in_time:
      return "docs/operations.md, When it is down: waits grow up to a cap, and it never gives up; docs/relay.md: a "
             "dead "
             "device's port is free once the lease has evicted it";
    case Promise::one_session:
      return "ARCHITECTURE.md: a tunnel is one SSH session to one relay";
    case Promise::acts_on_what_is_there:
      return "include/holdfast/tunnel.hpp: what each action needs";
    case Promise::always_a_deadline:
      return "include/holdfast/tunnel.hpp: next_deadline(), and a tunnel never gives up";
    case Promise::waits_by_schedule:
      return "docs/configuration.md, Backoff: up to first x 2^n, at most cap, and an eighth of a young outage";
    case Promise::starts_over:
      return "docs/configuration.md, Backoff: a tunnel that held for reset_after starts over";
    case Promise::attempts_bounded:
      return "docs/operations.md, When it is down: relays ban addresses that knock too often";
    case Promise::others_untouched:
      return "docs/relay.md: a device asks for an eviction only after it found the port's holder silent";
    case Promise::stops_in_time:
      return "docs/operations.md, Stop: drain_timeout, and 5 s to close; the relay's listeners are gone";
    case Promise::folds_its_log:
      return "docs/configuration.md, Backoff: a failure that only repeats itself is told once a minute";
    case Promise::notices_silence:
      return "docs/configuration.md, Economy: noticed after (server_alive_count_max + 1) intervals, (5 + 3) for sshd";
    case Promise::proves_after_change:
      return "docs/operations.md, The network changed: a live session has five seconds to prove itself";
    case Promise::verifies_in_time:
      return "docs/operations.md, Does it lead to the target: as soon as it is held, then once in verify_interval";
    case Promise::guard_spares_the_living:
      return "docs/relay.md, The lease: it ends its sshd only when no heartbeat has come for the agreed time";
    case Promise::request_goes_to_the_preferred:
      return "docs/configuration.md, Several relays: holdfast reconnect NAME goes to the preferred relay at once";
    case Promise::stands_by_quietly:
      return "docs/decisions/0021-a-change-stands-by.md: kept alive, and asks for nothing until it may proceed";
  }
  std::abort();
}

}  // namespace holdfast::simulation
