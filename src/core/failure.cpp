#include "holdfast/failure.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <utility>

namespace holdfast {
namespace {

struct CauseText {
  std::string_view name;
  std::string_view remedy;
};

CauseText text_of(Cause cause) {
  switch (cause) {
    case Cause::name_not_found:
      return {"name_not_found", "Check host_name for a typing error, and that the device's DNS server knows the name."};
    case Cause::resolver_unavailable:
      return {"resolver_unavailable", "Check that the device has a network and a DNS server (/etc/resolv.conf)."};
    case Cause::connection_refused:
      return {"connection_refused", "Check that sshd runs on the relay at this port and that no firewall rejects it."};
    case Cause::connection_timed_out:
      return {"connection_timed_out",
              "Nothing answers at this address and port: check the relay's firewall and the route to it and back."};
    case Cause::unreachable:
      return {"unreachable", "The device has no route to the relay: check its link, address and default route."};
    case Cause::local_address_unavailable:
      return {
          "local_address_unavailable",
          "Check that bind_address or bind_interface exists on this device and is up, and that holdfast may use it."};
    case Cause::connection_lost:
      return {"connection_lost",
              "Nothing to do if it comes back by itself; else look at the link and at the relay's log."};
    case Cause::relay_disconnected:
      return {"relay_disconnected", "The relay ended the session: its reason stands in this message, more in its log."};
    case Cause::relay_penalty:
      return {"relay_penalty",
              "It ends by itself. Mend what was refused before, here or on another device behind this address; on the "
              "relay, see PerSourcePenalties and MaxStartups, and put a fleet's shared address into "
              "PerSourcePenaltyExemptList."};
    case Cause::idle_timeout:
      return {
          "idle_timeout",
          "The relay, or something before it, closes idle connections: set server_alive_interval below that age, or "
          "raise its timeout (HAProxy: timeout client, server and tunnel; nginx: proxy_timeout). Without a lease it "
          "may also be UnusedConnectionTimeout in the relay's sshd_config."};
    case Cause::session_timeout:
      return {"session_timeout",
              "Without a lease, UnusedConnectionTimeout on the relay does that: let the account run the lease "
              "(docs/relay.md), let its forwards be proven (verify_interval), or take it out of sshd_config. With one, "
              "something before the relay limits how long a connection may last."};
    case Cause::relay_silent:
      return {"relay_silent", "The link is down or the relay hangs: check that the relay answers other connections."};
    case Cause::path_mtu:
      return {"path_mtu",
              "Large packets are lost on the way: the next session sends smaller ones. To mend it, let what drops them "
              "answer with ICMP (fragmentation needed, packet too big) or clamp the MSS there, or give the device's "
              "link an MTU that passes."};
    case Cause::protocol_mismatch:
      return {"protocol_mismatch",
              "What listens there is no SSH 2 server: check host_name and port, and for a captive portal."};
    case Cause::protocol_error:
      return {"protocol_error",
              "This relay is broken or hostile: look at what runs there; another relay, if there is one, is tried "
              "meanwhile."};
    case Cause::phase_timed_out:
      return {"phase_timed_out",
              "The relay accepted and then stalled: check its load, its MaxStartups and the link; connect_timeout is "
              "the limit."};
    case Cause::no_common_algorithm:
      return {"no_common_algorithm",
              "Give both sides a common algorithm: ciphers, kex_algorithms, macs or host_key_algorithms here, or "
              "sshd_config there."};
    case Cause::key_exchange_failed:
      return {"key_exchange_failed", "Look at the relay's log; something between may be altering the connection."};
    case Cause::integrity_failed:
      return {"integrity_failed", "The data was altered on its way: suspect the link, a middlebox or an attacker."};
    case Cause::host_key_unknown:
      return {"host_key_unknown",
              "Add the relay's key to user_known_hosts_file (ssh-keyscan, then compare the fingerprint with what "
              "ssh-keygen -lf says on the relay), or use accept-new."};
    case Cause::host_key_changed:
      return {"host_key_changed",
              "Someone may be in between: compare the fingerprint with the relay's own first (on the relay: ssh-keygen "
              "-lf /etc/ssh/ssh_host_ed25519_key.pub). Only if they are the same was its key replaced: then delete the "
              "line that is named from that file."};
    case Cause::host_key_revoked:
      return {"host_key_revoked",
              "The relay shows a key that known_hosts revokes: do not trust it; give the relay a new key."};
    case Cause::host_key_not_pinned:
      return {"host_key_not_pinned",
              "Compare the shown fingerprint with the relay's own (on the relay: ssh-keygen -lf "
              "/etc/ssh/ssh_host_ed25519_key.pub); only if they are the same, add it to host_key_fingerprint."};
    case Cause::known_hosts_unusable:
      return {"known_hosts_unusable",
              "Make user_known_hosts_file readable and writable for holdfast, and mend the line that is named."};
    case Cause::identity_unusable:
      return {"identity_unusable",
              "Give identity_file a readable key without a passphrase, or put the key into an agent."};
    case Cause::agent_unusable:
      return {"agent_unusable",
              "Look at the agent at identity_agent (SSH_AUTH_SOCK=... ssh-add -l): it has to run, be unlocked "
              "(ssh-add -X), and hold a key that nobody has to confirm or touch."};
    case Cause::authentication_refused:
      return {"authentication_refused",
              "Add the public key to the relay account's authorized_keys, and check user, the account and the relay's "
              "log."};
    case Cause::forward_refused:
      return {
          "forward_refused",
          "On the relay, look who listens on this port, and at AllowTcpForwarding, permitlisten and ports below 1024."};
    case Cause::listener_held_live:
      return {"listener_held_live",
              "Another session answers on this port: give each device a port of its own, or stop the other session."};
    case Cause::listener_held_stale:
      return {"listener_held_stale",
              "Whoever holds it is silent: most likely a dead session, until the relay notices. With a lease "
              "(docs/relay.md) holdfast evicts its own, and ClientAliveInterval on the relay shortens the wait."};
    case Cause::listener_held_by_other_device:
      return {"listener_held_by_other_device",
              "Give one of the two devices another port: the other one's lease is live."};
    case Cause::listener_held_by_twin:
      return {"listener_held_by_twin",
              "Another device has this one's name, as a copied card has: on one of the two delete "
              "/var/lib/holdfast/device_id or set device_id, give it a key and a port of its own, and restart it."};
    case Cause::target_down:
      return {"target_down",
              "Start the service at the target, or correct the forward's target: the tunnel itself stands."};
    case Cause::path_broken:
      return {
          "path_broken",
          "On the relay, look who else listens on this port, on each address (ss -tlnp), and at GatewayPorts if the "
          "forward asks for another address than localhost."};
    case Cause::proof_not_permitted:
      return {"proof_not_permitted",
              "Nothing is known to be wrong; to have it verified, let the account connect to its own listener: "
              "AllowTcpForwarding yes, and permitopen."};
    case Cause::proof_lookup_failed:
      return {
          "proof_lookup_failed",
          "Nothing is known to be wrong; to have it verified, let the relay's sshd look the name up (/etc/hosts, in "
          "the ChrootDirectory if there is one), or permit the address beside it: permitopen=\"127.0.0.1:PORT\"."};
    case Cause::proof_unanswered:
      return {"proof_unanswered", "The relay is slow or short of something: check its load and its log."};
    case Cause::operator_request:
      return {"operator_request", "Nothing to do: the session was ended on request and comes back."};
    case Cause::local_error:
      return {"local_error",
              "The device itself is short of something, or an option can't be used: the message names it."};
  }
  std::abort();
}

/// Where sshd's options are no help.
constexpr std::array<std::pair<Cause, std::string_view>, 9> at_dropbear{{
    {Cause::phase_timed_out,
     "The relay accepted and then stalled: check its load and the link; connect_timeout is the limit."},
    {Cause::relay_penalty, "It ends by itself. Look at what bans addresses on the relay, such as fail2ban."},
    {Cause::idle_timeout,
     "Something closes idle connections, Dropbear's option -I or what stands before the relay: set "
     "server_alive_interval below that age."},
    {Cause::session_timeout,
     "Something limits how long a session may last: Dropbear's option -I, or what stands before the relay."},
    {Cause::no_common_algorithm,
     "What Dropbear offers is fixed when it is built: choose ciphers, kex_algorithms, macs or host_key_algorithms here "
     "by it."},
    {Cause::forward_refused,
     "On the relay, look who listens on this port, and at Dropbear's option -k, the key's restrictions in "
     "authorized_keys and ports below 1024."},
    {Cause::listener_held_stale,
     "Whoever holds it is silent: most likely a dead session, until the relay notices. Dropbear's option -K there "
     "shortens the wait."},
    {Cause::path_broken,
     "On the relay, look who else listens on this port, on each address (ss -tlnp), and at Dropbear's option -a if the "
     "forward asks for another address than localhost."},
    {Cause::proof_not_permitted,
     "Nothing is known to be wrong; to have it verified, let the account connect to its own listener: Dropbear without "
     "its option -j, and permitopen."},
}};

/// "Connection refused" says no more than "connection refused".
bool same_words(std::string_view left, std::string_view right) {
  return std::equal(left.begin(), left.end(), right.begin(), right.end(),
                    [](unsigned char one, unsigned char other) { return std::tolower(one) == std::tolower(other); });
}

}  // namespace

std::string_view to_string(Cause cause) {
  return text_of(cause).name;
}
std::string_view remedy(Cause cause) {
  return text_of(cause).remedy;
}

std::string_view remedy(const Failure& failure) {
  return failure.remedy.empty() ? remedy(failure.cause) : failure.remedy;
}

Failure with_remedy_for(std::string_view server, Failure failure) {
  if (!server.starts_with("SSH-2.0-dropbear")) return failure;
  for (const auto& [cause, words] : at_dropbear) {
    if (cause == failure.cause) failure.remedy = words;
  }
  return failure;
}

std::string describe(const Failure& failure) {
  std::string text = failure.operation;
  if (!failure.subject.empty()) text += " " + failure.subject;
  std::string reason{to_string(failure.cause)};
  for (char& letter : reason) {
    if (letter == '_') letter = ' ';
  }
  text += ": " + reason;
  if (!failure.detail.empty() && !same_words(failure.detail, reason)) text += " (" + failure.detail + ")";
  return text;
}

}  // namespace holdfast
