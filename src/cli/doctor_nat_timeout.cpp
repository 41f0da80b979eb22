#include "cli/doctor_nat_timeout.hpp"

#include <unistd.h>

#include <chrono>
#include <iostream>
#include <string>
#include <utility>

#include "cli/daemon.hpp"
#include "cli/doctor_face.hpp"
#include "cli/places.hpp"
#include "doctor/nat_timeout.hpp"
#include "holdfast/relays.hpp"
#include "holdfast/words.hpp"
#include "preflight/configuration.hpp"

namespace holdfast::cli {
namespace {

/// "it takes up to 3 min"
std::string how_long(const doctor::Silences& silences) {
  const auto minutes = std::chrono::ceil<std::chrono::minutes>(doctor::longest_measurement(silences));
  return "it takes up to " + std::to_string(minutes.count()) + " min";
}

int measure(const Options& options, const TunnelSpec& tunnel, std::ostream& out) {
  const TunnelSpec there = at_relay(tunnel, relays_of(tunnel).front());
  doctor::Silences silences = doctor::silences_of(there);
  DoctorRound round{out, options.json ? DoctorRound::Show::json : DoctorRound::Show::text};
  DoctorFace face{round,
                  tunnel.name,
                  "by this command: " + how_long(silences),
                  {Layer::name, Layer::tcp, Layer::banner, Layer::keepalive}};
  if (options.json && ::isatty(STDERR_FILENO) == 1) std::cerr << "Measuring: " << how_long(silences) << ".\n";
  doctor::measure_nat_timeout(there, std::move(silences),
                              [&](Layer layer, Finding finding) { face.take(layer, std::move(finding)); });
  return face.end();
}

}  // namespace

int measure_nat_timeout(const Options& options, std::ostream& out) {
  const std::string file = options.config.value_or(default_config());
  const auto loaded = preflight::load_configuration(file, config::files_without_keys());
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) std::cerr << config::to_string(problem) << '\n';
    return complain(misused, file + " can't be used: mend that first");
  }
  const Config& config = loaded->config;
  if (config.tunnels.empty()) return complain(misused, file + " has no tunnel; 'holdfast init' makes one");
  if (options.tunnel.empty() && config.tunnels.size() == 1) return measure(options, config.tunnels.front(), out);
  if (const TunnelSpec* tunnel = find_tunnel(config, options.tunnel)) return measure(options, *tunnel, out);
  const std::string names = joined(tunnel_names(config), ", ");
  return complain(misused,
                  options.tunnel.empty()
                      ? "each tunnel takes minutes: type 'holdfast doctor --nat-timeout TUNNEL' with one of " + names
                      : "no tunnel is called '" + options.tunnel + "'; there are: " + names);
}

}  // namespace holdfast::cli
