#include "config/tunnel.hpp"

#include <algorithm>

#include "config/forward_syntax.hpp"
#include "config/relays.hpp"
#include "config/tunnel_keys.hpp"
#include "config/wording.hpp"
#include "holdfast/relays.hpp"

namespace holdfast::config {
namespace {

using std::chrono::minutes;

constexpr std::size_t longest_name = 64;

/// One tunnel under inspection: its effective settings, and where each of them was given.
class Inspection {
 public:
  Inspection(const TunnelSpec& spec, const Value& name, const Given& own, const Given& defaults)
      : spec_(spec), name_(name), own_(own), defaults_(defaults) {}

  void require_keys() const;
  void refuse_contradictions() const;
  void warn_of_host_keys() const;
  void warn_of_liveness() const;
  void warn_of_accounts_and_ports() const;
  void warn_of_congestion_control() const;

 private:
  bool given(std::string_view key) const { return own_.contains(key) || defaults_.contains(key); }
  const Value& place(std::string_view key) const {
    if (const auto own = own_.find(key); own != own_.end()) return own->second;
    const auto inherited = defaults_.find(key);
    return inherited != defaults_.end() ? inherited->second : name_;
  }

  const TunnelSpec& spec_;
  const Value& name_;
  const Given& own_;
  const Given& defaults_;
};

void Inspection::require_keys() const {
  for (const char* const key : {"host_name", "user", "remote_forward"})
    if (!given(key)) name_.refuse("required key '" + std::string(key) + "' is missing");
  const bool no_key = !given("identity_file") || place("identity_file").items().empty();
  const bool no_agent = !given("identity_agent") || place("identity_agent").node().text == "none";
  if (no_key && no_agent) name_.refuse("required key 'identity_file' (or 'identity_agent') is missing");
  if (given("remote_forward") && place("remote_forward").items().empty())
    place("remote_forward").refuse("the list is empty; a tunnel holds at least one forward");
}

void Inspection::refuse_contradictions() const {
  const bool v6 = spec_.bind_address.find(':') != std::string::npos;
  const AddressFamily other = v6 ? AddressFamily::inet : AddressFamily::inet6;
  if (!spec_.bind_address.empty() && spec_.address_family == other)
    place("bind_address").refuse(quote(spec_.bind_address) + " contradicts address_family " + (v6 ? "inet" : "inet6"));
  if (spec_.readiness == Readiness::verified && spec_.verify_interval == Duration::zero())
    place("readiness").refuse("'verified' never comes true with verify_interval '0'");
  if (spec_.liveness.intervals_per_probe == 1) return;
  if (spec_.liveness.server_alive_interval == Duration::zero())
    place("economy").refuse("there is nothing to save with server_alive_interval '0'");
  if (spec_.liveness.server_alive_count_max == 0)
    place("economy").refuse("an acknowledgement can be lost, and server_alive_count_max '0' waits for none");
  if (!spec_.tcp_keep_alive) place("economy").refuse("lives on TCP's keepalives, and tcp_keep_alive is 'no'");
}

void Inspection::warn_of_host_keys() const {
  const Value& strict = place("strict_host_key_checking");
  const std::vector<RelaySpec> relays = relays_of(spec_);
  // A relay with a file of its own is complained about where it stands.
  const auto known_hosts = [&](std::size_t index) {
    const bool own = relays[index].user_known_hosts_file != spec_.user_known_hosts_file;
    return own ? place("host_name").items()[index] : place("user_known_hosts_file");
  };
  switch (spec_.strict_host_key_checking) {
    case StrictHostKeyChecking::no:
      strict.warn(
          "'no' trusts whoever answers, and whoever answers can take the forwards over; 'accept-new' costs nothing");
      return;
    case StrictHostKeyChecking::accept_new:
      for (std::size_t index = 0; index < relays.size(); ++index)
        for (const char* const fleeting : {"/tmp/", "/run/", "/dev/"})
          if (relays[index].user_known_hosts_file.starts_with(fleeting))
            known_hosts(index).warn("is gone after a reboot, and then any host key is accepted as new");
      return;
    case StrictHostKeyChecking::yes:
      for (std::size_t index = 0; index < relays.size(); ++index) {
        const RelaySpec& relay = relays[index];
        if (relay.host_key_fingerprint.empty() &&
            name_.files().readable_file(relay.user_known_hosts_file) == Files::Kind::missing)
          known_hosts(index).warn(
              quote(relay.user_known_hosts_file) +
              " does not exist: with strict_host_key_checking 'yes' no relay is trusted; fill it with ssh-keyscan");
      }
      return;
  }
}

void Inspection::warn_of_liveness() const {
  const auto interval = spec_.liveness.server_alive_interval;
  if (interval == Duration::zero())
    place("server_alive_interval")
        .warn("'0' asks for no sign of life: a relay that goes silent is noticed late or never");
  else if (interval > minutes{15})
    place("server_alive_interval").warn("many carriers forget a connection that is idle for longer than a few minutes");
  if (interval != Duration::zero() && spec_.liveness.server_alive_count_max == 0)
    place("server_alive_count_max").warn("'0' ends a session that is idle for one interval, without asking the relay");
}

void Inspection::warn_of_accounts_and_ports() const {
  static constexpr std::uint16_t first_unprivileged = 1024;
  if (spec_.user == "root") {
    place("user").warn("whoever gets this device's key is root on the relay; an account of its own is enough");
    return;
  }
  for (const RemoteForward& forward : spec_.remote_forward)
    if (forward.port != 0 && forward.port < first_unprivileged)
      place("remote_forward")
          .warn("only root may listen below port 1024 on the relay, and " + listener_name(forward) +
                " is asked for as " + quote(spec_.user));
}

void Inspection::warn_of_congestion_control() const {
  const std::string& name = spec_.congestion_control;
  const std::string available = name_.files().congestion_controls();
  if (name.empty() || available.empty() || (" " + available + " ").find(" " + name + " ") != std::string::npos) return;
  place("congestion_control")
      .warn("the kernel has " + available + " now, not " + quote(name) + "; try 'modprobe tcp_" + name + "'");
}

/// Where each setting stands; the tunnel's own before the default.
std::map<std::string, Value> places_of(const Value& name, const Given& own, const Given& defaults) {
  std::map<std::string, Value> places{{"", name}};
  for (const Given* given : {&own, &defaults}) {
    for (const auto& [key, value] : *given) {
      if (!places.emplace(key, value).second) continue;
      const std::vector<Value> items = value.items();
      for (std::size_t item = 0; item < items.size(); ++item) {
        places.emplace(std::string{key} + "[" + std::to_string(item) + "]", items[item]);
      }
    }
  }
  return places;
}

}  // namespace

void read_defaults(const Value& value, Defaults& defaults) {
  defaults.given = read_record(value, tunnel_keys(), defaults.spec);
  std::uint16_t port = 0;
  take_port(defaults.given, port);
  if (port != 0) defaults.given.at("host_name").refuse("a default's port belongs into 'port'");
  if (const auto forwards = defaults.given.find("remote_forward"); forwards != defaults.given.end()) {
    forwards->second.refuse("can't be a default: the relay gives a listener to one tunnel only");
    defaults.given.erase(forwards);
    defaults.spec.remote_forward.clear();
  }
}

bool is_tunnel_name(std::string_view name) {
  static constexpr std::string_view allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= longest_name && name.find_first_not_of(allowed) == std::string_view::npos &&
         !name.starts_with('.') && !name.starts_with('-');
}

TunnelEntry read_tunnel(const Value::Member& tunnel, const Defaults& defaults) {
  TunnelEntry entry;
  entry.spec = defaults.spec;
  entry.spec.name = tunnel.name;
  if (!is_tunnel_name(tunnel.name)) tunnel.name_place.refuse(std::string{tunnel_name_rule});
  const Given own = read_record(tunnel.value, tunnel_keys(), entry.spec);
  if (tunnel.value.node().kind != Node::Kind::mapping) return entry;
  take_port(own, entry.spec.port);
  if (const auto forwards = own.find("remote_forward"); forwards != own.end())
    entry.forwards = forwards->second.items();
  if (!entry.spec.relays.empty()) {
    const auto inherited = defaults.given.find("host_name");
    const auto given = own.find("host_name");
    complete_relays((given != own.end() ? given->second : inherited->second).items(), entry.spec);
  }
  entry.places = places_of(tunnel.name_place, own, defaults.given);
  const Inspection inspection(entry.spec, tunnel.name_place, own, defaults.given);
  inspection.require_keys();
  inspection.refuse_contradictions();
  inspection.warn_of_host_keys();
  inspection.warn_of_liveness();
  inspection.warn_of_accounts_and_ports();
  inspection.warn_of_congestion_control();
  return entry;
}

Node write_tunnel(const TunnelSpec& spec) {
  return write_record(tunnel_keys(), spec);
}

}  // namespace holdfast::config
