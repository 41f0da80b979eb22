#include "holdfast/config.hpp"

#include <algorithm>

#include "holdfast/overloaded.hpp"

namespace holdfast {
namespace {

std::string host_and_port(const std::string& host, std::uint16_t port) {
  return in_brackets(host) + ":" + std::to_string(port);
}

}  // namespace

bool looks_like_address(std::string_view host) {
  return host.find(':') != std::string_view::npos || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

std::string in_brackets(const std::string& host) {
  return host.find(':') == std::string::npos ? host : "[" + host + "]";
}

std::string listener_name(const RemoteForward& forward) {
  return host_and_port(forward.bind_address.empty() ? "*" : forward.bind_address, forward.port);
}

std::string target_name(const Target& target) {
  return std::visit(overloaded{[](const TcpTarget& tcp) { return host_and_port(tcp.host, tcp.port); },
                               [](const UnixTarget& local) { return local.path; }},
                    target);
}

std::string relay_name(const TunnelSpec& spec) {
  return host_and_port(spec.host_name, spec.port);
}

std::string relay_name(const RelaySpec& relay) {
  return host_and_port(relay.host_name, relay.port);
}

std::string socket_of_tunnel(const std::string& status_socket, const std::string& tunnel) {
  const std::size_t folder = status_socket.rfind('/') + 1;
  return status_socket.substr(0, folder) + "only/" + tunnel + "/" + status_socket.substr(folder);
}

std::string control_socket(const std::string& status_socket) {
  return status_socket + ".control";
}

const TunnelSpec* find_tunnel(const Config& config, std::string_view name) {
  const auto found = std::find_if(config.tunnels.begin(), config.tunnels.end(),
                                  [&](const TunnelSpec& tunnel) { return tunnel.name == name; });
  return found == config.tunnels.end() ? nullptr : &*found;
}

std::vector<std::string> tunnel_names(const Config& config) {
  std::vector<std::string> names;
  for (const TunnelSpec& tunnel : config.tunnels) names.push_back(tunnel.name);
  return names;
}

bool learns_host_keys(const TunnelSpec& spec) {
  return spec.strict_host_key_checking == StrictHostKeyChecking::accept_new && spec.host_key_fingerprint.empty();
}

}  // namespace holdfast
