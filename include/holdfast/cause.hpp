#pragma once

#include <chrono>
#include <span>
#include <string_view>

/// Why a tunnel is not up, and what is known of each cause: the one table that everything else asks.
namespace holdfast {

/// What went wrong, as precisely as the device can tell. The names are part of the status schema (docs/status.md) and
/// of the log's CAUSE field; they are only ever added to. What each means: CauseFacts::sentence.
enum class Cause {
  name_not_found,
  resolver_unavailable,
  connection_refused,
  connection_timed_out,
  unreachable,
  local_address_unavailable,
  connection_lost,
  relay_disconnected,
  relay_penalty,
  idle_timeout,
  session_timeout,
  relay_silent,
  path_mtu,
  protocol_mismatch,
  protocol_error,
  phase_timed_out,
  no_common_algorithm,
  key_exchange_failed,
  integrity_failed,
  host_key_unknown,
  host_key_changed,
  host_key_revoked,
  host_key_not_pinned,
  known_hosts_unusable,
  identity_unusable,
  agent_unusable,
  authentication_refused,
  forward_refused,
  listener_held_live,
  listener_held_stale,
  listener_held_by_other_device,
  listener_held_by_twin,
  target_down,
  path_broken,
  proof_not_permitted,
  proof_lookup_failed,
  proof_unanswered,
  operator_request,
  local_error,

  // What no session ends with: a look at the device and at its way to the relay finds it (diagnosis.hpp).
  under_voltage,
  clock_wrong,
  disk_full,
  disk_read_only,
  memory_low,
  modem_no_interface,
  modem_failed,
  modem_off,
  sim_missing,
  sim_locked,
  modem_not_registered,
  registration_denied,
  bearer_down,
  signal_weak,
  link_missing,
  link_down,
  no_carrier,
  link_flapping,
  no_address,
  link_local_only,
  address_expired,
  address_duplicate,
  carrier_nat,
  no_default_route,
  routes_tied,
  wrong_interface,
  route_prohibited,
  gateway_silent,
  gateway_unstable,
  nameserver_missing,
  nameserver_silent,
  nameserver_refused,
  nameserver_lies,
  nameserver_slow,
  relay_moved,
  answered_from_elsewhere,
  answered_on_the_way,
  reset_on_the_way,
  port_blocked,
  captive_portal,
  no_banner,
  relay_too_old,
  host_key_of_another_type,
  login_method_missing,
  certificate_expired,
  privileged_port,
  listens_elsewhere,
  no_listener,
  lease_unavailable,
  lease_outdated,
  target_elsewhere,
  target_hangs,
  target_unexpected,
  keepalive_too_rare,
  not_running,
  not_answering,
  not_started,
  device_key_unexpected,
};

enum class Severity {
  note,     ///< nothing is known to be wrong
  warning,  ///< something is, and the session stands all the same
  error,    ///< no session, or a listener that leads nowhere
};

/// From the device up to the target. Up to `proof`, but for `lease`, what lies higher can't work while what lies lower
/// does not.
enum class Layer {
  device,          ///< this machine: power, clock, disk, memory; and what was asked of it
  modem,           ///< what carries the link, where that is a modem
  link,            ///< an interface with a carrier
  address,         ///< of ours on it
  route,           ///< a way out
  neighbour,       ///< whose gateway answers
  name,            ///< the relay's addresses
  path,            ///< packets get there and back, large ones too
  tcp,             ///< the relay's port takes connections
  banner,          ///< what answers there is an SSH server that takes us
  key_exchange,    ///< an encrypted connection
  host_key,        ///< to the relay that is meant
  authentication,  ///< as the account that is meant
  session,         ///< which lasts
  listener,        ///< and listens
  lease,           ///< and runs our script beside it
  proof,           ///< and leads back to us
  target,          ///< which serves
  keepalive,       ///< and stays known to whatever translates addresses on the way
};
/// "key_exchange" for Layer::key_exchange.
std::string_view to_string(Layer layer);

/// Each has a schedule of waits (backoff.hpp).
enum class BackoffFamily { network, listener, refused, penalty };

/// Whom a failure at one address of the relay's name speaks of: at another there may be somebody else, or another way.
enum class Blame {
  nobody,            ///< the device itself, or what the relay says wherever it is reached
  path,              ///< the way to it
  whoever_is_there,  ///< unless it has shown the relay's key
};

/// What it says of other relays.
enum class Lies {
  in_device,   ///< every relay would see it: trying another one would be for nothing
  on_the_way,  ///< the relay did not come to speak: as likely as its end, it is the device's way to anywhere
  beyond,      ///< another relay may do
};

struct CauseFacts {
  Cause cause{};
  Severity severity{};
  Layer layer{};
  BackoffFamily family{};
  Blame blame{};
  Lies lies{};
  std::string_view sentence;  ///< what happened, without a full stop
  std::string_view remedy;    ///< what the operator should try next, never empty; it names sshd's options
  /// How long an outage has to last before a daemon names it: what ends by itself is nobody's business sooner.
  std::chrono::seconds said_after = std::chrono::minutes{1};
};

const CauseFacts& facts_of(Cause cause);
/// In the order of the enumeration.
std::span<const CauseFacts> all_causes();

/// "host_key_changed" for Cause::host_key_changed.
std::string_view to_string(Cause cause);
std::string_view remedy(Cause cause);
/// The relay shows another key than is known of it. One of which nothing is known (host_key_unknown) is not wrong.
bool is_wrong_host_key(Cause cause);
/// The relay lets nobody in with what this device has to log in with.
bool is_refused_login(Cause cause);
/// Is the fault of `lower` the answer, and that of `upper` its consequence, when both are there at the same time?
bool hides(Cause lower, Cause upper);
/// Does a fault of the lower layer explain one of the upper?
bool hides(Layer lower, Layer upper);

}  // namespace holdfast
