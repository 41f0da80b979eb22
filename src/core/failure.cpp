#include "holdfast/failure.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "holdfast/words.hpp"

namespace holdfast {
namespace {

/// Where sshd's options are no help.
constexpr std::array<std::pair<Cause, std::string_view>, 12> at_dropbear{{
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
     "Whoever holds it is silent: most likely a dead session, until the relay notices. That takes three times the "
     "seconds of Dropbear's option -K there (ps ax | grep dropbear shows it); without it the relay may never notice; "
     "some 17 "
     "min after somebody has connected to the port its kernel does."},
    {Cause::path_broken,
     "On the relay, look who else listens on this port, on each address (ss -tlnp), and at Dropbear's option -a if the "
     "forward asks for another address than localhost."},
    {Cause::proof_not_permitted,
     "Nothing is known to be wrong; to have it verified, let the account connect to its own listener: Dropbear without "
     "its option -j, and permitopen."},
    {Cause::port_blocked, "Let the relay's Dropbear listen on port 443 too (its option -p), and name that in port."},
    {Cause::no_banner,
     "Look whether Dropbear answers at the relay itself, and at its load; behind a load balancer, at its backends."},
    {Cause::listens_elsewhere, "Start the relay's Dropbear with its option -a, or ask for localhost only."},
}};

/// What of a cause's remedy is known better where the relay's sshd is one of these.
constexpr std::string_view held_stale_at_twice =
    "Whoever holds it is silent: most likely a dead session. With a lease (docs/relay.md) holdfast evicts its own. "
    "Else it is free when the relay notices: after twice ClientAliveInterval x (ClientAliveCountMax + 1), as this "
    "version of OpenSSH has it; where either is 0, as the interval is unless it is set, when the relay's kernel gives "
    "the connection up, up to 2 h 11 min with TCPKeepAlive. `holdfast doctor --from-outside USER@RELAY:PORT` says what "
    "holds there.";

}  // namespace

std::string_view remedy(const Failure& failure) {
  return failure.remedy.empty() ? remedy(failure.cause) : failure.remedy;
}

bool asks_at_twice_the_interval(std::string_view server) {
  if (server.starts_with("SSH-2.0-")) server.remove_prefix(8);
  constexpr std::array<std::string_view, 3> doubling{"OpenSSH_9.2", "OpenSSH_9.3", "OpenSSH_9.4"};
  return std::any_of(doubling.begin(), doubling.end(), [&](std::string_view name) {
    const bool longer = server.size() > name.size();
    return server.starts_with(name) && !(longer && std::isdigit(static_cast<unsigned char>(server[name.size()])) != 0);
  });
}

Failure with_remedy_for(std::string_view server, Failure failure) {
  if (failure.cause == Cause::listener_held_stale && asks_at_twice_the_interval(server))
    failure.remedy = held_stale_at_twice;
  if (!server.starts_with("SSH-2.0-dropbear")) return failure;
  for (const auto& [cause, words] : at_dropbear) {
    if (cause == failure.cause) failure.remedy = words;
  }
  return failure;
}

std::string describe(const Failure& failure) {
  std::string text = failure.operation;
  if (!failure.subject.empty()) text += " " + failure.subject;
  const std::string reason = in_words(to_string(failure.cause));
  text += ": " + reason;
  // "Connection refused" says no more than "connection refused".
  if (!failure.detail.empty() && lower(failure.detail) != reason) text += " (" + failure.detail + ")";
  return text;
}

}  // namespace holdfast
