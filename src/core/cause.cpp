#include "holdfast/cause.hpp"

#include <array>
#include <cstddef>

#include "holdfast/enumerators.hpp"

namespace holdfast {
namespace {

/// One that no session ends with.
constexpr CauseFacts found(Cause cause, Severity severity, Layer layer, std::string_view sentence,
                           std::string_view remedy) {
  return {cause, severity, layer, BackoffFamily::network, Blame::nobody, Lies::in_device, sentence, remedy};
}

constexpr std::array causes = std::to_array<CauseFacts>({
    {Cause::name_not_found, Severity::error, Layer::name, BackoffFamily::network, Blame::nobody, Lies::beyond,
     "the resolver says that the name does not exist",
     "Check host_name for a typing error, and that the device's DNS server knows the name."},
    {Cause::resolver_unavailable, Severity::error, Layer::name, BackoffFamily::network, Blame::nobody, Lies::on_the_way,
     "no answer from DNS, or a temporary failure",
     "Check that the device has a network and a DNS server (/etc/resolv.conf)."},
    {Cause::connection_refused, Severity::error, Layer::tcp, BackoffFamily::network, Blame::nobody, Lies::beyond,
     "the relay's port refuses: nobody listens there, or a firewall rejects",
     "Check that sshd runs on the relay at this port and that no firewall rejects it."},
    {Cause::connection_timed_out, Severity::error, Layer::tcp, BackoffFamily::network, Blame::nobody, Lies::on_the_way,
     "nothing answers at the relay's address and port",
     "See whether this port answers somebody on another network. If not, look at the relay: its power, its sshd, its "
     "firewall. If it does, look at this device's uplink and its own firewall (nft list ruleset), and at what lies "
     "between."},
    {Cause::unreachable, Severity::error, Layer::route, BackoffFamily::network, Blame::nobody, Lies::on_the_way,
     "there is no way to the relay's address",
     "The device has no route to the relay: check its link, address and default route."},
    {Cause::local_address_unavailable, Severity::error, Layer::address, BackoffFamily::network, Blame::nobody,
     Lies::in_device, "bind_address or bind_interface can't be used",
     "Check that bind_address or bind_interface exists on this device and is up, and that holdfast may use it."},
    {Cause::connection_lost, Severity::error, Layer::session, BackoffFamily::network, Blame::path, Lies::beyond,
     "the connection to the relay was reset or closed",
     "Nothing to do if it comes back by itself; else look at the link and at the relay's log.",
     std::chrono::minutes{5}},
    {Cause::relay_disconnected, Severity::error, Layer::session, BackoffFamily::network, Blame::whoever_is_there,
     Lies::beyond, "the relay ended the session, and said so",
     "The relay ended the session: its reason stands in this message, more in its log."},
    {Cause::relay_penalty, Severity::error, Layer::banner, BackoffFamily::penalty, Blame::whoever_is_there,
     Lies::beyond, "sshd takes nobody from this address for now (PerSourcePenalties, MaxStartups)",
     "It ends by itself. Mend what was refused before, here or on another device behind this address; on the relay, "
     "see PerSourcePenalties and MaxStartups, and put a fleet's shared address into PerSourcePenaltyExemptList.",
     std::chrono::minutes{15}},
    {Cause::idle_timeout, Severity::error, Layer::session, BackoffFamily::network, Blame::nobody, Lies::beyond,
     "closed after the same silence as the sessions before",
     "The relay, or something before it, closes idle connections: set server_alive_interval below that age, or raise "
     "its timeout (HAProxy: timeout client, server and tunnel; nginx: proxy_timeout). Without a lease it may also be "
     "UnusedConnectionTimeout in the relay's sshd_config."},
    {Cause::session_timeout, Severity::error, Layer::session, BackoffFamily::network, Blame::nobody, Lies::beyond,
     "closed at the same age as the sessions before, whatever crossed",
     "Without a lease, UnusedConnectionTimeout on the relay does that: let the account run the lease (docs/relay.md), "
     "let its forwards be proven (verify_interval), or take it out of sshd_config. With one, something before the "
     "relay limits how long a connection may last."},
    {Cause::relay_silent, Severity::error, Layer::session, BackoffFamily::network, Blame::path, Lies::beyond,
     "the relay answers no keepalive any more",
     "The link is down or the relay hangs: check that the relay answers other connections."},
    {Cause::path_mtu, Severity::error, Layer::path, BackoffFamily::network, Blame::path, Lies::beyond,
     "large packets are lost on the way, small ones pass",
     "Large packets are lost on the way: the next session sends smaller ones. To mend it, let what drops them answer "
     "with ICMP (fragmentation needed, packet too big) or clamp the MSS there, or give the device's link an MTU that "
     "passes."},
    {Cause::protocol_mismatch, Severity::error, Layer::banner, BackoffFamily::network, Blame::whoever_is_there,
     Lies::beyond, "what answers does not speak SSH 2",
     "What listens there is no SSH 2 server: check host_name and port, and for a captive portal."},
    {Cause::protocol_error, Severity::error, Layer::key_exchange, BackoffFamily::refused, Blame::whoever_is_there,
     Lies::beyond, "the relay breaks the protocol, makes us hold what it does not read, or keeps us busy with nothing",
     "This relay is broken or hostile: look at what runs there; another relay, if there is one, is tried meanwhile."},
    {Cause::phase_timed_out, Severity::error, Layer::key_exchange, BackoffFamily::network, Blame::path, Lies::beyond,
     "the relay took the connection and then stalled",
     "The relay accepted and then stalled: check its load, its MaxStartups and the link; connect_timeout is the "
     "limit."},
    {Cause::no_common_algorithm, Severity::error, Layer::key_exchange, BackoffFamily::refused, Blame::whoever_is_there,
     Lies::beyond, "the relay and this device have no algorithm in common",
     "Give both sides a common algorithm: ciphers, kex_algorithms, macs or host_key_algorithms here, or sshd_config "
     "there."},
    {Cause::key_exchange_failed, Severity::error, Layer::key_exchange, BackoffFamily::network, Blame::whoever_is_there,
     Lies::beyond, "the encrypted connection could not be set up",
     "Look at the relay's log; something between may be altering the connection."},
    {Cause::integrity_failed, Severity::error, Layer::key_exchange, BackoffFamily::network, Blame::path, Lies::beyond,
     "a packet was changed on its way",
     "The data was altered on its way: suspect the link, a middlebox or an attacker."},
    {Cause::host_key_unknown, Severity::error, Layer::host_key, BackoffFamily::refused, Blame::whoever_is_there,
     Lies::beyond, "the relay's host key is not known, and only known ones are taken",
     "Add the relay's key to user_known_hosts_file (ssh-keyscan, then compare the fingerprint with what ssh-keygen -lf "
     "says on the relay), or use accept-new."},
    {Cause::host_key_changed, Severity::error, Layer::host_key, BackoffFamily::refused, Blame::whoever_is_there,
     Lies::beyond, "the relay shows another host key than the known one",
     "Someone may be in between: compare the fingerprint with the relay's own first (on the relay: ssh-keygen -lf "
     "/etc/ssh/ssh_host_ed25519_key.pub). Only if they are the same was its key replaced: then delete the line that is "
     "named from that file, as the user that it belongs to (ssh-keygen -f FILE -R HOST)."},
    {Cause::host_key_revoked, Severity::error, Layer::host_key, BackoffFamily::refused, Blame::whoever_is_there,
     Lies::beyond, "the relay shows a host key that known_hosts revokes",
     "The relay shows a key that known_hosts revokes: do not trust it; give the relay a new key."},
    {Cause::host_key_not_pinned, Severity::error, Layer::host_key, BackoffFamily::refused, Blame::whoever_is_there,
     Lies::beyond, "the relay shows a host key that host_key_fingerprint does not list",
     "Compare the shown fingerprint with the relay's own (on the relay: ssh-keygen -lf "
     "/etc/ssh/ssh_host_ed25519_key.pub); only if they are the same, add it to host_key_fingerprint."},
    {Cause::known_hosts_unusable, Severity::error, Layer::host_key, BackoffFamily::refused, Blame::nobody, Lies::beyond,
     "the file of known hosts can't be read, or its line for this relay can't",
     "Make user_known_hosts_file readable and writable for holdfast, and mend the line that is named."},
    {Cause::identity_unusable, Severity::error, Layer::authentication, BackoffFamily::refused, Blame::nobody,
     Lies::in_device, "no private key could be loaded, or it needs a passphrase",
     "Give identity_file a readable key without a passphrase, or put the key into an agent."},
    {Cause::agent_unusable, Severity::error, Layer::authentication, BackoffFamily::listener, Blame::nobody,
     Lies::in_device, "no agent answers, or none of its keys is signed with",
     "Look at the agent at identity_agent (SSH_AUTH_SOCK=... ssh-add -l): it has to run, be unlocked (ssh-add -X), and "
     "hold a key that nobody has to confirm or touch."},
    {Cause::authentication_refused, Severity::error, Layer::authentication, BackoffFamily::refused,
     Blame::whoever_is_there, Lies::beyond, "the relay took none of our keys",
     "Add the public key (ssh-keygen -yf KEY prints it) to the relay account's authorized_keys, and check user, the "
     "account and the relay's log."},
    {Cause::forward_refused, Severity::error, Layer::listener, BackoffFamily::listener, Blame::nobody, Lies::beyond,
     "the relay refuses to listen for us",
     "On the relay, look who listens on this port, and at AllowTcpForwarding, permitlisten and ports below 1024."},
    {Cause::listener_held_live, Severity::error, Layer::listener, BackoffFamily::listener, Blame::nobody, Lies::beyond,
     "somebody answers on the port of our listener",
     "Another session answers on this port: give each device a port of its own, or stop the other session."},
    {Cause::listener_held_stale, Severity::error, Layer::listener, BackoffFamily::listener, Blame::nobody, Lies::beyond,
     "the port is open and silent: a dead session's, most likely",
     "Whoever holds it is silent: most likely a dead session. With a lease (docs/relay.md) holdfast evicts its own. "
     "Else it is free when the relay notices: after ClientAliveInterval x (ClientAliveCountMax + 1), twice that in "
     "OpenSSH 9.2 to 9.4; where either is 0, as the interval is unless it is set, when the relay's kernel gives the "
     "connection up, up to 2 h 11 min with TCPKeepAlive. `holdfast doctor --from-outside USER@RELAY:PORT` says what "
     "holds there.",
     std::chrono::minutes{5}},
    {Cause::listener_held_by_other_device, Severity::error, Layer::listener, BackoffFamily::listener, Blame::nobody,
     Lies::beyond, "another device has a live lease on it",
     "Give one of the two devices another port: the other one's lease is live."},
    {Cause::listener_held_by_twin, Severity::error, Layer::listener, BackoffFamily::listener, Blame::nobody,
     Lies::beyond, "another device that has this one's name has a live lease on it",
     "Another device has this one's name, as a copied card has: on one of the two delete /var/lib/holdfast/device_id "
     "or set device_id, give it a key and a port of its own, and restart it."},
    {Cause::target_down, Severity::warning, Layer::target, BackoffFamily::network, Blame::nobody, Lies::beyond,
     "the forward's own target takes no connections",
     "Start the service at the target, or correct the forward's target."},
    {Cause::path_broken, Severity::error, Layer::proof, BackoffFamily::listener, Blame::nobody, Lies::beyond,
     "a connection to our listener does not come back to us",
     "On the relay, look who else listens on this port, on each address (ss -tlnp), and at GatewayPorts if the forward "
     "asks for another address than localhost."},
    {Cause::proof_not_permitted, Severity::note, Layer::proof, BackoffFamily::network, Blame::nobody, Lies::beyond,
     "the relay does not let us connect to our own listener",
     "Nothing is known to be wrong; to have it verified, let the account connect to its own listener: "
     "AllowTcpForwarding yes, and permitopen."},
    {Cause::proof_lookup_failed, Severity::note, Layer::proof, BackoffFamily::network, Blame::nobody, Lies::beyond,
     "the relay can't look its own listener's name up",
     "Nothing is known to be wrong; to have it verified, let the relay's sshd look the name up (/etc/hosts, in the "
     "ChrootDirectory if there is one), or permit the address beside it: permitopen=\"127.0.0.1:PORT\"."},
    {Cause::proof_unanswered, Severity::warning, Layer::proof, BackoffFamily::network, Blame::nobody, Lies::beyond,
     "the relay does not say whether it connects to our listener",
     "The relay is slow or short of something: check its load and its log."},
    {Cause::operator_request, Severity::note, Layer::device, BackoffFamily::network, Blame::nobody, Lies::beyond,
     "`holdfast reconnect`, or a changed configuration",
     "Nothing to do: the session was ended on request and comes back.", std::chrono::minutes{5}},
    {Cause::local_error, Severity::error, Layer::device, BackoffFamily::network, Blame::nobody, Lies::in_device,
     "out of descriptors or memory, and the like",
     "The device itself is short of something, or an option can't be used: the message names it."},

    found(Cause::under_voltage, Severity::warning, Layer::device, "the power supply sags",
          "Give the device a stronger power supply and a short, thick cable: writes and modems fail first when the "
          "voltage sags."),
    found(Cause::clock_wrong, Severity::warning, Layer::device, "this device's clock is wrong",
          "Set the clock (timedatectl; systemd-timesyncd or chrony once there is a network), and give the device a "
          "real-time clock if it starts without a network: certificates are judged by it."),
    found(Cause::disk_full, Severity::warning, Layer::device, "no room is left on the disk",
          "Make room (journalctl --vacuum-size=50M, apt-get clean; df -h shows where): what holdfast keeps is in "
          "memory only."),
    found(Cause::disk_read_only, Severity::warning, Layer::device, "the disk takes no writes",
          "Look at the kernel's log (dmesg): a file system that turned read-only mostly means a dying SD card. Replace "
          "it while the device can still be reached."),
    found(Cause::memory_low, Severity::warning, Layer::device, "hardly any memory is left",
          "Find what takes it (ps aux --sort=-rss) before the kernel ends something."),
    found(Cause::modem_no_interface, Severity::error, Layer::modem, "there is a modem, and no network interface of it",
          "The modem has power, and the computer gets no network from it: look at its mode and driver (lsusb -t, "
          "dmesg), at usb_modeswitch and ModemManager, then unplug it and plug it in again."),
    found(
        Cause::modem_failed, Severity::error, Layer::modem, "the modem says that it failed",
        "Unplug the modem and plug it in again, or restart it (mmcli -m any --reset); if it fails again, replace it."),
    found(Cause::modem_off, Severity::error, Layer::modem, "the modem is switched off",
          "Switch it on: mmcli -m any --enable, or what configures it (nmcli radio wwan on)."),
    found(Cause::sim_missing, Severity::error, Layer::modem, "the modem sees no SIM card",
          "Look whether the SIM is in its slot the right way round, and clean its contacts."),
    found(Cause::sim_locked, Severity::error, Layer::modem, "the SIM asks for a code",
          "Give the PIN (mmcli -i any --pin=...), or switch it off for this SIM; a PUK comes from the carrier."),
    found(Cause::modem_not_registered, Severity::error, Layer::modem, "the modem has found no network that takes it",
          "Look at the antenna and its plug, and at the place; ask the carrier whether this SIM is active."),
    found(Cause::registration_denied, Severity::error, Layer::modem, "the mobile network refuses this SIM",
          "Ask the carrier: the SIM is blocked or its contract is over, or roaming is not permitted here."),
    found(Cause::bearer_down, Severity::error, Layer::modem, "the modem is registered, and has no data connection",
          "Look at the APN, its user and its password (nmcli connection show, mmcli -b any), and at the SIM's data "
          "volume."),
    found(Cause::signal_weak, Severity::warning, Layer::modem, "the mobile signal is weak",
          "Move the antenna, or put a better one outside."),
    found(Cause::link_missing, Severity::error, Layer::link, "the network interface is not there",
          "Look whether it is plugged in and has a driver (ip link, dmesg), and at bind_interface for a typing error."),
    found(Cause::link_down, Severity::error, Layer::link, "the network interface is switched off",
          "Switch it on: ip link set NAME up, or what configures it (nmcli, ifup, networkctl)."),
    found(Cause::no_carrier, Severity::error, Layer::link, "the network interface has no carrier",
          "Look at the cable and at what stands at its other end; for Wi-Fi, at its name, its password and the "
          "distance."),
    found(Cause::link_flapping, Severity::warning, Layer::link, "the network interface comes and goes",
          "Change the cable, the plug or the port; for Wi-Fi and modems, look at the signal and at the power supply."),
    found(Cause::no_address, Severity::error, Layer::address, "no interface has an address",
          "Nobody gave the device an address: look at its DHCP client (journalctl -u NetworkManager -u dhcpcd -u "
          "systemd-networkd) and at the router's DHCP server."),
    found(Cause::link_local_only, Severity::error, Layer::address,
          "only an address is left that leads to neighbours alone",
          "DHCP did not answer (169.254.0.0/16 and fe80::/10 lead nowhere else): look at the router's DHCP server and "
          "at the cable to it."),
    found(Cause::address_expired, Severity::warning, Layer::address, "the address was given for a time that is over",
          "Look at the DHCP client: the router does not confirm the address any more."),
    found(Cause::address_duplicate, Severity::error, Layer::address,
          "another machine on this network has the same address",
          "Give one of the two another address, or take it from DHCP."),
    found(Cause::carrier_nat, Severity::note, Layer::address, "the address is one of a carrier's NAT",
          "Nothing to do: this is what a reverse tunnel is for."),
    found(Cause::no_default_route, Severity::error, Layer::route, "there is no default route",
          "Nobody told the device a way out: look at its DHCP client, or at the static configuration's gateway."),
    found(Cause::routes_tied, Severity::warning, Layer::route, "two default routes have the same metric",
          "Give the one that is to be used a lower metric (ipv4.route-metric in NetworkManager, metric in dhcpcd.conf, "
          "RouteMetric in systemd-networkd)."),
    found(Cause::wrong_interface, Severity::error, Layer::route,
          "the way to the relay leads out of another interface than is configured",
          "Mend bind_interface, or the routes (ip route get ADDRESS shows which one is taken)."),
    found(Cause::route_prohibited, Severity::error, Layer::route, "a rule or a route forbids the way to the relay",
          "Look at `ip rule` and `ip route show type unreachable` (and blackhole, prohibit): a VPN's kill switch does "
          "this."),
    found(Cause::gateway_silent, Severity::error, Layer::neighbour, "the gateway does not answer",
          "The next machine on the way is not there: look whether the router or modem is on, at the cable to it, and "
          "whether the address of the gateway is right."),
    found(Cause::gateway_unstable, Severity::warning, Layer::neighbour, "the gateway's hardware address changes",
          "Two machines answer for the gateway's address: find the second one, or look at the router's failover."),
    found(Cause::nameserver_missing, Severity::error, Layer::name, "no name server is configured",
          "Nobody told the device a name server: look at /etc/resolv.conf and at what writes it."),
    found(Cause::nameserver_silent, Severity::error, Layer::name, "a name server does not answer",
          "Name another server in /etc/resolv.conf (or where it comes from), and look whether a firewall drops UDP to "
          "port 53."),
    found(Cause::nameserver_refused, Severity::error, Layer::name, "a name server refuses to answer us",
          "This name server does not serve this network: name another one."),
    found(Cause::nameserver_lies, Severity::error, Layer::name,
          "a name server gives an address that can't be the relay's",
          "Something answers in the relay's place, as a captive portal does: log in at the portal, or name another "
          "name server."),
    found(Cause::nameserver_slow, Severity::warning, Layer::name, "a name server takes long",
          "Name a nearer name server."),
    found(Cause::relay_moved, Severity::note, Layer::name,
          "DNS says another address than the one at which the relay was last found",
          "If the relay has moved, nothing is to be done. If not, DNS is wrong."),
    found(Cause::answered_from_elsewhere, Severity::error, Layer::path,
          "the answer comes from another address than the one that was asked",
          "Something on the way rewrites the answers' source (asymmetric source NAT): mend its NAT rule, so that "
          "answers leave with the address that was asked."),
    found(Cause::answered_on_the_way, Severity::warning, Layer::path,
          "something nearer than the relay answers in its place",
          "A middlebox answers for the relay's address: an echo says nothing of the relay here. Look at the modem's or "
          "router's DMZ, proxy and NAT settings."),
    found(Cause::reset_on_the_way, Severity::error, Layer::tcp,
          "something between here and the relay forbids the connection",
          "A firewall forbids this: look at this device's own (nft list ruleset); else ask whoever runs the one on the "
          "way, or let the relay listen on another port (443) and name that in port."),
    found(Cause::port_blocked, Severity::error, Layer::tcp, "the relay's port is blocked, while another one passes",
          "Let the relay's sshd listen on port 443 too (Port 443 in sshd_config), and name that in port."),
    found(Cause::captive_portal, Severity::error, Layer::banner, "a web server answers where the relay should",
          "Log in at the network's portal, or ask whoever runs it to let this device pass; else a proxy stands on the "
          "way."),
    found(Cause::no_banner, Severity::error, Layer::banner, "who answers takes the connection, and sends no banner",
          "Look whether sshd answers at the relay itself (ssh -v localhost there), at its load and at MaxStartups; "
          "behind a load balancer, at its backends."),
    found(Cause::relay_too_old, Severity::error, Layer::banner, "the relay speaks a version of SSH that is too old",
          "Put a current OpenSSH on the relay."),
    {Cause::host_key_of_another_type, Severity::error, Layer::host_key, BackoffFamily::refused, Blame::whoever_is_there,
     Lies::beyond, "the relay has no key of the type that is known of it",
     "Compare the relay's fingerprints with what it shows (ssh-keyscan, ssh-keygen -lf), then add its key to "
     "user_known_hosts_file; or give the relay back its former key."},
    {Cause::login_method_missing, Severity::error, Layer::authentication, BackoffFamily::refused,
     Blame::whoever_is_there, Lies::beyond, "the relay offers no login by key",
     "Set PubkeyAuthentication yes on the relay, and look at AuthenticationMethods and at its Match blocks for "
     "this account."},
    {Cause::certificate_expired, Severity::error, Layer::authentication, BackoffFamily::refused,
     Blame::whoever_is_there, Lies::beyond, "the certificate is not valid now",
     "Have the certificate signed anew (ssh-keygen -Lf shows its times), and look at this device's clock."},
    {Cause::privileged_port, Severity::error, Layer::listener, BackoffFamily::listener, Blame::nobody, Lies::beyond,
     "only root may listen below port 1024 on the relay",
     "Take a port from 1024 up, or let the account be root (which is not wise)."},
    found(Cause::listens_elsewhere, Severity::warning, Layer::listener, "the relay listens on less than was asked for",
          "Set GatewayPorts clientspecified (or yes) on the relay, or ask for localhost only."),
    found(
        Cause::no_listener, Severity::error, Layer::listener, "nobody listens at the tunnel's port on the relay",
        "The device holds no tunnel now. If it can be reached another way, `holdfast doctor` there says why; else ask "
        "somebody at the site whether it and its modem have power, and which lamps are lit."),
    found(Cause::lease_unavailable, Severity::note, Layer::lease, "our script can't run at the relay",
          "Nothing is wrong; but a dead session's listener is held until the relay notices. Let the account run it: "
          "docs/relay.md."),
    found(Cause::lease_outdated, Severity::warning, Layer::lease, "the relay has an older script than this device",
          "Install the current one on the relay: holdfast relay-script (docs/relay.md)."),
    found(Cause::target_elsewhere, Severity::error, Layer::target,
          "the target listens on another address than the forward names",
          "Name that address in the forward, or let the service listen on the one that is named."),
    found(Cause::target_hangs, Severity::error, Layer::target, "the target takes the connection and says nothing",
          "Restart the service at the target, and look at its log."),
    found(Cause::target_unexpected, Severity::warning, Layer::target,
          "what answers at the target is something else than its port says",
          "Look whether the forward names the right port."),
    found(Cause::keepalive_too_rare, Severity::warning, Layer::keepalive,
          "the carrier forgets an idle connection sooner than keepalives are sent",
          "Set server_alive_interval below the time that `holdfast doctor --nat-timeout` measures."),
    found(
        Cause::not_running, Severity::error, Layer::session,
        "the service that should hold the tunnel does not run, or has another configuration",
        "Start it: systemctl start holdfast. If it does not stay, these say why: systemctl status holdfast, journalctl "
        "-u holdfast."),
    found(Cause::not_answering, Severity::error, Layer::session, "the running holdfast does not answer",
          "Restart it: systemctl restart holdfast, or the process that runs by hand. Its log says what it did last: "
          "journalctl -u holdfast."),
    found(
        Cause::not_started, Severity::warning, Layer::session, "no holdfast holds the tunnel",
        "To have the service hold it now and after each boot: systemctl enable --now holdfast. By hand: holdfast run."),
    found(
        Cause::device_key_unexpected, Severity::error, Layer::target,
        "what answers behind the listener shows another host key than the device that is meant",
        "Another device has the port, or this one's card is new: compare the fingerprint with the device's own (on it: "
        "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub). Only if they are the same, give that one to --pin, or "
        "delete the line that is named from known_hosts."),
});

constexpr bool in_order() {
  for (std::size_t index = 0; index < causes.size(); ++index) {
    if (static_cast<std::size_t>(causes[index].cause) != index) return false;
  }
  return causes.size() == enumerators<Cause>.size();
}
static_assert(in_order(), "a row for each cause, in the order of the enumeration");

}  // namespace

const CauseFacts& facts_of(Cause cause) {
  return causes[static_cast<std::size_t>(cause)];
}

std::span<const CauseFacts> all_causes() {
  return causes;
}

std::string_view to_string(Cause cause) {
  return spelling(cause).name;
}

std::string_view remedy(Cause cause) {
  return facts_of(cause).remedy;
}

bool is_wrong_host_key(Cause cause) {
  return cause == Cause::host_key_changed || cause == Cause::host_key_revoked || cause == Cause::host_key_not_pinned ||
         cause == Cause::host_key_of_another_type;
}

bool is_refused_login(Cause cause) {
  return cause == Cause::authentication_refused || cause == Cause::login_method_missing ||
         cause == Cause::certificate_expired;
}

bool hides(Cause lower, Cause upper) {
  return facts_of(lower).severity == Severity::error && hides(facts_of(lower).layer, facts_of(upper).layer);
}

bool hides(Layer lower, Layer upper) {
  return lower < upper && upper <= Layer::proof && lower != Layer::lease && upper != Layer::lease;
}

std::string_view to_string(Layer layer) {
  return spelling(layer).name;
}

}  // namespace holdfast
