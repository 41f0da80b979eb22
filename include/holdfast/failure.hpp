#pragma once

#include <string>
#include <string_view>

namespace holdfast {

/// Why a tunnel is not up, as precisely as the device can tell. The names are part of the status schema
/// (docs/status.md) and of the log's CAUSE field; they are only ever added to.
enum class Cause {
  name_not_found,                 ///< the resolver says that the name does not exist
  resolver_unavailable,           ///< no answer from DNS, or a temporary failure
  connection_refused,             ///< TCP RST to our SYN: nobody listens, or a firewall rejects
  connection_timed_out,           ///< no answer to our SYN
  unreachable,                    ///< no route, or an ICMP unreachable
  local_address_unavailable,      ///< bind_address or bind_interface can't be used
  connection_lost,                ///< reset or closed under a running session
  relay_disconnected,             ///< the relay said SSH_MSG_DISCONNECT
  relay_penalty,                  ///< sshd takes nobody from this address for now (PerSourcePenalties, MaxStartups)
  idle_timeout,                   ///< closed after the same silence as the sessions before
  session_timeout,                ///< closed at the same age as the sessions before, whatever crossed
  relay_silent,                   ///< server_alive_count_max probes unanswered
  path_mtu,                       ///< large packets are lost on the way, small ones pass
  protocol_mismatch,              ///< what answers does not speak SSH 2
  protocol_error,                 ///< the relay breaks the protocol, or wastes our memory or time
  phase_timed_out,                ///< the relay stalled in a phase until its deadline
  no_common_algorithm,            ///< key exchange found no shared algorithm
  key_exchange_failed,            ///< any other failure before authentication
  integrity_failed,               ///< a packet did not authenticate: tampered with, or corrupted
  host_key_unknown,               ///< strict_host_key_checking: yes, and no line for this host
  host_key_changed,               ///< known_hosts holds another key
  host_key_revoked,               ///< the key stands behind @revoked
  host_key_not_pinned,            ///< host_key_fingerprint lists other keys
  known_hosts_unusable,           ///< unreadable, unwritable, or a line for this host that can't be parsed
  identity_unusable,              ///< no private key could be loaded, or it needs a passphrase
  agent_unusable,                 ///< no agent answers, or none of its keys is signed with
  authentication_refused,         ///< the relay took none of our keys
  forward_refused,                ///< tcpip-forward answered with REQUEST_FAILURE
  listener_held_live,             ///< somebody answers on the port of our listener
  listener_held_stale,            ///< the port is open and silent: a dead session's, most likely
  listener_held_by_other_device,  ///< another device has a live lease on it
  listener_held_by_twin,          ///< another device that has this one's name and key has a live lease on it
  target_down,                    ///< the forward's own target takes no connections
  path_broken,                    ///< a connection to our listener does not come back to us
  proof_not_permitted,            ///< the relay does not let us connect to our own listener
  proof_lookup_failed,            ///< the relay can't look its own listener's name up
  proof_unanswered,               ///< the relay does not say whether it connects to our listener
  operator_request,               ///< `holdfast reconnect`, or a changed configuration
  local_error,                    ///< out of descriptors or memory, and the like
};

/// "host_key_changed" for Cause::host_key_changed.
std::string_view to_string(Cause cause);

/// What the operator should try next; one sentence, never empty. It names sshd's options.
std::string_view remedy(Cause cause);

/// A failed operation: a value, not an exception, because a peer's failure is ordinary here.
struct Failure {
  Cause cause{};
  std::string operation;  ///< "connect", "listen", "authenticate", ...
  std::string subject;    ///< what it was tried on: "relay.example:22", "localhost:4649", a file's path
  std::string detail;     ///< what the system or the library said; may be empty
  std::string remedy{};   ///< where remedy(cause) does not fit; else empty

  friend bool operator==(const Failure&, const Failure&) = default;
};

std::string_view remedy(const Failure& failure);

/// With the remedy that fits the server which the relay says it is ("SSH-2.0-dropbear_2022.83").
Failure with_remedy_for(std::string_view server, Failure failure);

/// "connect relay.example:22: connection refused (detail)"; without the remedy.
std::string describe(const Failure& failure);

}  // namespace holdfast
