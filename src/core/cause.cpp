#include "holdfast/cause.hpp"

#include <array>
#include <cstddef>

namespace holdfast {
namespace {

constexpr std::array causes = std::to_array<CauseFacts>({
    {Cause::name_not_found, "name_not_found", Severity::error, Layer::name, BackoffFamily::network, Blame::nobody,
     Lies::beyond, "the resolver says that the name does not exist",
     "Check host_name for a typing error, and that the device's DNS server knows the name."},
    {Cause::resolver_unavailable, "resolver_unavailable", Severity::error, Layer::name, BackoffFamily::network,
     Blame::nobody, Lies::on_the_way, "no answer from DNS, or a temporary failure",
     "Check that the device has a network and a DNS server (/etc/resolv.conf)."},
    {Cause::connection_refused, "connection_refused", Severity::error, Layer::way, BackoffFamily::network,
     Blame::nobody, Lies::beyond, "TCP RST to our SYN: nobody listens, or a firewall rejects",
     "Check that sshd runs on the relay at this port and that no firewall rejects it."},
    {Cause::connection_timed_out, "connection_timed_out", Severity::error, Layer::way, BackoffFamily::network,
     Blame::nobody, Lies::on_the_way, "no answer to our SYN",
     "Nothing answers at this address and port: check the relay's firewall and the route to it and back."},
    {Cause::unreachable, "unreachable", Severity::error, Layer::route, BackoffFamily::network, Blame::nobody,
     Lies::on_the_way, "no route, or an ICMP unreachable",
     "The device has no route to the relay: check its link, address and default route."},
    {Cause::local_address_unavailable, "local_address_unavailable", Severity::error, Layer::route,
     BackoffFamily::network, Blame::nobody, Lies::in_device, "bind_address or bind_interface can't be used",
     "Check that bind_address or bind_interface exists on this device and is up, and that holdfast may use it."},
    {Cause::connection_lost, "connection_lost", Severity::error, Layer::session, BackoffFamily::network, Blame::path,
     Lies::beyond, "reset or closed under a running session",
     "Nothing to do if it comes back by itself; else look at the link and at the relay's log."},
    {Cause::relay_disconnected, "relay_disconnected", Severity::error, Layer::session, BackoffFamily::network,
     Blame::whoever_is_there, Lies::beyond, "the relay said SSH_MSG_DISCONNECT",
     "The relay ended the session: its reason stands in this message, more in its log."},
    {Cause::relay_penalty, "relay_penalty", Severity::error, Layer::banner, BackoffFamily::penalty,
     Blame::whoever_is_there, Lies::beyond,
     "sshd takes nobody from this address for now (PerSourcePenalties, MaxStartups)",
     "It ends by itself. Mend what was refused before, here or on another device behind this address; on the relay, "
     "see PerSourcePenalties and MaxStartups, and put a fleet's shared address into PerSourcePenaltyExemptList."},
    {Cause::idle_timeout, "idle_timeout", Severity::error, Layer::session, BackoffFamily::network, Blame::nobody,
     Lies::beyond, "closed after the same silence as the sessions before",
     "The relay, or something before it, closes idle connections: set server_alive_interval below that age, or raise "
     "its timeout (HAProxy: timeout client, server and tunnel; nginx: proxy_timeout). Without a lease it may also be "
     "UnusedConnectionTimeout in the relay's sshd_config."},
    {Cause::session_timeout, "session_timeout", Severity::error, Layer::session, BackoffFamily::network, Blame::nobody,
     Lies::beyond, "closed at the same age as the sessions before, whatever crossed",
     "Without a lease, UnusedConnectionTimeout on the relay does that: let the account run the lease (docs/relay.md), "
     "let its forwards be proven (verify_interval), or take it out of sshd_config. With one, something before the "
     "relay limits how long a connection may last."},
    {Cause::relay_silent, "relay_silent", Severity::error, Layer::session, BackoffFamily::network, Blame::path,
     Lies::beyond, "server_alive_count_max probes unanswered",
     "The link is down or the relay hangs: check that the relay answers other connections."},
    {Cause::path_mtu, "path_mtu", Severity::error, Layer::way, BackoffFamily::network, Blame::path, Lies::beyond,
     "large packets are lost on the way, small ones pass",
     "Large packets are lost on the way: the next session sends smaller ones. To mend it, let what drops them answer "
     "with ICMP (fragmentation needed, packet too big) or clamp the MSS there, or give the device's link an MTU that "
     "passes."},
    {Cause::protocol_mismatch, "protocol_mismatch", Severity::error, Layer::banner, BackoffFamily::network,
     Blame::whoever_is_there, Lies::beyond, "what answers does not speak SSH 2",
     "What listens there is no SSH 2 server: check host_name and port, and for a captive portal."},
    {Cause::protocol_error, "protocol_error", Severity::error, Layer::key_exchange, BackoffFamily::refused,
     Blame::whoever_is_there, Lies::beyond,
     "the relay breaks the protocol, makes us hold what it does not read, or keeps us busy with nothing",
     "This relay is broken or hostile: look at what runs there; another relay, if there is one, is tried meanwhile."},
    {Cause::phase_timed_out, "phase_timed_out", Severity::error, Layer::key_exchange, BackoffFamily::network,
     Blame::path, Lies::beyond, "the relay stalled in a phase until its deadline",
     "The relay accepted and then stalled: check its load, its MaxStartups and the link; connect_timeout is the "
     "limit."},
    {Cause::no_common_algorithm, "no_common_algorithm", Severity::error, Layer::key_exchange, BackoffFamily::refused,
     Blame::whoever_is_there, Lies::beyond, "key exchange found no shared algorithm",
     "Give both sides a common algorithm: ciphers, kex_algorithms, macs or host_key_algorithms here, or sshd_config "
     "there."},
    {Cause::key_exchange_failed, "key_exchange_failed", Severity::error, Layer::key_exchange, BackoffFamily::network,
     Blame::whoever_is_there, Lies::beyond, "any other failure before authentication",
     "Look at the relay's log; something between may be altering the connection."},
    {Cause::integrity_failed, "integrity_failed", Severity::error, Layer::key_exchange, BackoffFamily::network,
     Blame::path, Lies::beyond, "a packet did not authenticate: tampered with, or corrupted",
     "The data was altered on its way: suspect the link, a middlebox or an attacker."},
    {Cause::host_key_unknown, "host_key_unknown", Severity::error, Layer::host_key, BackoffFamily::refused,
     Blame::whoever_is_there, Lies::beyond, "strict_host_key_checking: yes, and no line for this host",
     "Add the relay's key to user_known_hosts_file (ssh-keyscan, then compare the fingerprint with what ssh-keygen -lf "
     "says on the relay), or use accept-new."},
    {Cause::host_key_changed, "host_key_changed", Severity::error, Layer::host_key, BackoffFamily::refused,
     Blame::whoever_is_there, Lies::beyond, "known_hosts holds another key",
     "Someone may be in between: compare the fingerprint with the relay's own first (on the relay: ssh-keygen -lf "
     "/etc/ssh/ssh_host_ed25519_key.pub). Only if they are the same was its key replaced: then delete the line that is "
     "named from that file."},
    {Cause::host_key_revoked, "host_key_revoked", Severity::error, Layer::host_key, BackoffFamily::refused,
     Blame::whoever_is_there, Lies::beyond, "the key stands behind @revoked",
     "The relay shows a key that known_hosts revokes: do not trust it; give the relay a new key."},
    {Cause::host_key_not_pinned, "host_key_not_pinned", Severity::error, Layer::host_key, BackoffFamily::refused,
     Blame::whoever_is_there, Lies::beyond, "host_key_fingerprint lists other keys",
     "Compare the shown fingerprint with the relay's own (on the relay: ssh-keygen -lf "
     "/etc/ssh/ssh_host_ed25519_key.pub); only if they are the same, add it to host_key_fingerprint."},
    {Cause::known_hosts_unusable, "known_hosts_unusable", Severity::error, Layer::host_key, BackoffFamily::refused,
     Blame::nobody, Lies::beyond, "unreadable, or a line for this host that can't be parsed",
     "Make user_known_hosts_file readable and writable for holdfast, and mend the line that is named."},
    {Cause::identity_unusable, "identity_unusable", Severity::error, Layer::authentication, BackoffFamily::refused,
     Blame::nobody, Lies::in_device, "no private key could be loaded, or it needs a passphrase",
     "Give identity_file a readable key without a passphrase, or put the key into an agent."},
    {Cause::agent_unusable, "agent_unusable", Severity::error, Layer::authentication, BackoffFamily::listener,
     Blame::nobody, Lies::in_device, "no agent answers, or none of its keys is signed with",
     "Look at the agent at identity_agent (SSH_AUTH_SOCK=... ssh-add -l): it has to run, be unlocked (ssh-add -X), and "
     "hold a key that nobody has to confirm or touch."},
    {Cause::authentication_refused, "authentication_refused", Severity::error, Layer::authentication,
     BackoffFamily::refused, Blame::whoever_is_there, Lies::beyond, "the relay took none of our keys",
     "Add the public key to the relay account's authorized_keys, and check user, the account and the relay's log."},
    {Cause::forward_refused, "forward_refused", Severity::error, Layer::listener, BackoffFamily::listener,
     Blame::nobody, Lies::beyond, "tcpip-forward answered with REQUEST_FAILURE",
     "On the relay, look who listens on this port, and at AllowTcpForwarding, permitlisten and ports below 1024."},
    {Cause::listener_held_live, "listener_held_live", Severity::error, Layer::listener, BackoffFamily::listener,
     Blame::nobody, Lies::beyond, "somebody answers on the port of our listener",
     "Another session answers on this port: give each device a port of its own, or stop the other session."},
    {Cause::listener_held_stale, "listener_held_stale", Severity::error, Layer::listener, BackoffFamily::listener,
     Blame::nobody, Lies::beyond, "the port is open and silent: a dead session's, most likely",
     "Whoever holds it is silent: most likely a dead session, until the relay notices. With a lease (docs/relay.md) "
     "holdfast evicts its own, and ClientAliveInterval on the relay shortens the wait."},
    {Cause::listener_held_by_other_device, "listener_held_by_other_device", Severity::error, Layer::listener,
     BackoffFamily::listener, Blame::nobody, Lies::beyond, "another device has a live lease on it",
     "Give one of the two devices another port: the other one's lease is live."},
    {Cause::listener_held_by_twin, "listener_held_by_twin", Severity::error, Layer::listener, BackoffFamily::listener,
     Blame::nobody, Lies::beyond, "another device that has this one's name has a live lease on it",
     "Another device has this one's name, as a copied card has: on one of the two delete /var/lib/holdfast/device_id "
     "or set device_id, give it a key and a port of its own, and restart it."},
    {Cause::target_down, "target_down", Severity::warning, Layer::target, BackoffFamily::network, Blame::nobody,
     Lies::beyond, "the forward's own target takes no connections",
     "Start the service at the target, or correct the forward's target: the tunnel itself stands."},
    {Cause::path_broken, "path_broken", Severity::error, Layer::proof, BackoffFamily::listener, Blame::nobody,
     Lies::beyond, "a connection to our listener does not come back to us",
     "On the relay, look who else listens on this port, on each address (ss -tlnp), and at GatewayPorts if the forward "
     "asks for another address than localhost."},
    {Cause::proof_not_permitted, "proof_not_permitted", Severity::note, Layer::proof, BackoffFamily::network,
     Blame::nobody, Lies::beyond, "the relay does not let us connect to our own listener",
     "Nothing is known to be wrong; to have it verified, let the account connect to its own listener: "
     "AllowTcpForwarding yes, and permitopen."},
    {Cause::proof_lookup_failed, "proof_lookup_failed", Severity::note, Layer::proof, BackoffFamily::network,
     Blame::nobody, Lies::beyond, "the relay can't look its own listener's name up",
     "Nothing is known to be wrong; to have it verified, let the relay's sshd look the name up (/etc/hosts, in the "
     "ChrootDirectory if there is one), or permit the address beside it: permitopen=\"127.0.0.1:PORT\"."},
    {Cause::proof_unanswered, "proof_unanswered", Severity::warning, Layer::proof, BackoffFamily::network,
     Blame::nobody, Lies::beyond, "the relay does not say whether it connects to our listener",
     "The relay is slow or short of something: check its load and its log."},
    {Cause::operator_request, "operator_request", Severity::note, Layer::device, BackoffFamily::network, Blame::nobody,
     Lies::beyond, "`holdfast reconnect`, or a changed configuration",
     "Nothing to do: the session was ended on request and comes back."},
    {Cause::local_error, "local_error", Severity::error, Layer::device, BackoffFamily::network, Blame::nobody,
     Lies::in_device, "out of descriptors or memory, and the like",
     "The device itself is short of something, or an option can't be used: the message names it."},
});

constexpr bool in_order() {
  for (std::size_t index = 0; index < causes.size(); ++index) {
    if (static_cast<std::size_t>(causes[index].cause) != index) return false;
  }
  return causes.back().cause == Cause::local_error;
}
static_assert(in_order(), "a row for each cause, in the order of the enumeration, whose last is local_error");

}  // namespace

const CauseFacts& facts_of(Cause cause) {
  return causes[static_cast<std::size_t>(cause)];
}

std::span<const CauseFacts> all_causes() {
  return causes;
}

std::string_view to_string(Cause cause) {
  return facts_of(cause).name;
}

std::string_view remedy(Cause cause) {
  return facts_of(cause).remedy;
}

bool hides(Cause lower, Cause upper) {
  return facts_of(lower).layer < facts_of(upper).layer;
}

}  // namespace holdfast
