#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "holdfast/backoff.hpp"
#include "holdfast/liveness.hpp"
#include "holdfast/time.hpp"

namespace holdfast {

struct TcpTarget {
  std::string host;
  std::uint16_t port = 0;

  friend bool operator==(const TcpTarget&, const TcpTarget&) = default;
};

struct UnixTarget {
  std::string path;

  friend bool operator==(const UnixTarget&, const UnixTarget&) = default;
};

/// An address and no name, by its letters alone: a colon, or nothing but digits and dots ("10" too, which the resolver
/// looks up as a name).
bool looks_like_address(std::string_view host);
/// "[::1]" for "::1", as ssh has it wherever a port follows; names and IPv4 as they are.
std::string in_brackets(const std::string& host);

using Target = std::variant<TcpTarget, UnixTarget>;

/// One `ssh -R [bind_address:]port:host:hostport`.
struct RemoteForward {
  /// The address as it goes over the wire (RFC 4254, 7.1): "localhost" when the user gave none, "" for `*` or an empty
  /// one.
  std::string bind_address = "localhost";
  std::uint16_t port = 0;  ///< 0: the relay chooses
  Target target;

  friend bool operator==(const RemoteForward&, const RemoteForward&) = default;
};

/// "localhost:4649", "[::1]:4649", "*:4649".
std::string listener_name(const RemoteForward& forward);
/// "localhost:22", "[::1]:22", "/run/app.sock".
std::string target_name(const Target& target);

enum class StrictHostKeyChecking { yes, accept_new, no };
enum class AddressFamily { any, inet, inet6 };
/// What /readyz asks of a tunnel: that the relay holds its listeners, or that they were proven lately.
enum class Readiness { held, verified };
/// What systemd's watchdog is fed for: a loop that turns, or one whose tunnels also lead to their targets.
enum class WatchdogMode { loop, verified };
/// ssh_config's LogLevel, DEBUG1 being DEBUG.
enum class LogLevel { quiet, fatal, error, info, verbose, debug, debug2, debug3 };

struct RekeyLimit {
  std::uint64_t bytes = 0;  ///< 0: the library's default
  Duration time{};          ///< zero: never by time

  friend bool operator==(const RekeyLimit&, const RekeyLimit&) = default;
};

/// One relay of several that may hold the tunnel.
struct RelaySpec {
  std::string host_name;
  std::uint16_t port = 22;
  std::string user_known_hosts_file;
  std::vector<std::string> host_key_fingerprint;

  friend bool operator==(const RelaySpec&, const RelaySpec&) = default;
};

/// In which order a device prefers its relays: the list's, or one of its own (holdfast/relays.hpp).
enum class RelaySelection { ordered, hash };

/// Everything one tunnel needs; the names are ssh_config's. Defaults are those of docs/configuration.md.
struct TunnelSpec {
  std::string name;
  std::string device_id;  ///< whom the leases name; empty: a name that the device keeps
  std::string host_name;  ///< empty when `relays` has a list
  std::uint16_t port = 22;
  std::vector<RelaySpec> relays;  ///< host_name as a list, each with what is its own or the tunnel's; else empty
  RelaySelection relay_selection = RelaySelection::ordered;
  Duration fail_back_after = std::chrono::minutes{10};  ///< zero: never
  std::string user;
  std::vector<std::string> identity_file;
  std::vector<std::string> certificate_file;
  std::string identity_agent;  ///< socket path; empty: no agent
  std::string user_known_hosts_file;
  StrictHostKeyChecking strict_host_key_checking = StrictHostKeyChecking::accept_new;
  std::vector<std::string> host_key_fingerprint;  ///< "SHA256:..."; empty: no pins
  std::vector<RemoteForward> remote_forward;
  LivenessSpec liveness{std::chrono::seconds{60}, 3};
  bool exit_on_forward_failure = true;
  Duration connect_timeout = std::chrono::seconds{30};  ///< bounds each phase until the forwards stand
  Duration drain_timeout = std::chrono::seconds{5};     ///< open connections at shutdown
  AddressFamily address_family = AddressFamily::any;
  std::string bind_address;
  std::string bind_interface;
  bool tcp_keep_alive = true;
  std::string congestion_control;  ///< TCP_CONGESTION, tcp(7); empty: the kernel's own
  std::string ciphers;             ///< comma separated, as ssh_config; empty: the default
  std::string kex_algorithms;
  std::string macs;
  std::string host_key_algorithms;
  RekeyLimit rekey_limit;
  LogLevel log_level = LogLevel::info;
  std::uint32_t max_connections = 1000;  ///< open forwarded connections; more are refused
  /// Bytes from the relay that slow targets have not taken yet, all connections together.
  std::uint64_t max_buffer = std::uint64_t{64} * 1024 * 1024;
  bool lease = true;                                 ///< run lease.sh in the account at the relay, if it lets us
  Duration verify_interval = std::chrono::hours{1};  ///< between proofs of a forward; zero: never
  Readiness readiness = Readiness::held;
  BackoffSpec backoff;

  friend bool operator==(const TunnelSpec&, const TunnelSpec&) = default;
};

/// "relay.example:22", with IPv6 literals in brackets. Of the one relay: see at_relay() for one of several.
std::string relay_name(const TunnelSpec& spec);
std::string relay_name(const RelaySpec& relay);

/// May a session that knows its relay by known_hosts add the relay's other keys to it? Not where the user said which
/// keys are good: with pins, or strict_host_key_checking: yes. Not with `no` either, which knows nobody.
bool learns_host_keys(const TunnelSpec& spec);

struct StatusSocketSpec {
  std::string path = "/run/holdfast/status.sock";
  std::string group;  ///< who may read; empty: the process's own group

  friend bool operator==(const StatusSocketSpec&, const StatusSocketSpec&) = default;
};

/// Where a process that holds only one tunnel has its own: "/run/holdfast/only/NAME/status.sock".
std::string socket_of_tunnel(const std::string& status_socket, const std::string& tunnel);

/// The socket that takes commands, beside the one that only shows: "/run/holdfast/status.sock.control". Different for
/// different status sockets. 8 bytes longer: it may be longer than a Unix socket's path can be (107 bytes).
std::string control_socket(const std::string& status_socket);

struct Config {
  std::vector<TunnelSpec> tunnels;  ///< in the file's order; names are unique
  StatusSocketSpec status_socket;
  WatchdogMode watchdog = WatchdogMode::loop;

  friend bool operator==(const Config&, const Config&) = default;
};

/// Null if no tunnel has that name.
const TunnelSpec* find_tunnel(const Config& config, std::string_view name);
/// In the file's order.
std::vector<std::string> tunnel_names(const Config& config);

}  // namespace holdfast
