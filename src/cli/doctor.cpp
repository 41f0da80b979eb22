#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "cli/doctor_bundle.hpp"
#include "cli/doctor_face.hpp"
#include "cli/doctor_misuse.hpp"
#include "cli/doctor_nat_timeout.hpp"
#include "cli/doctor_relay.hpp"
#include "cli/doctor_service.hpp"
#include "cli/places.hpp"
#include "doctor/arp.hpp"
#include "doctor/examination.hpp"
#include "doctor/outside.hpp"
#include "holdfast/relays.hpp"
#include "preflight/configuration.hpp"
#include "status/diagnosis_text.hpp"
#include "status/findings_json.hpp"
#include "status/json.hpp"
#include "status/printable.hpp"
#include "supervisor/share.hpp"

namespace holdfast::cli {
namespace {

constexpr double longest_examination = 35;  ///< seconds

DoctorFace::Show show_of(const Options& options) {
  return options.json || !options.bundle.empty() ? DoctorFace::Show::json : DoctorFace::Show::text;
}

int explain(const std::string& name) {
  for (const CauseFacts& facts : all_causes()) {
    if (facts.name != name) continue;
    std::cout << status::explanation(facts, page_of_output());
    return done;
  }
  if (const auto layer = status::layer_called(name)) {
    std::cout << status::explanation(*layer, page_of_output());
    return done;
  }
  std::string like;
  for (const std::string& known : status::names_like(name)) like += (like.empty() ? "" : ", ") + known;
  return complain(misused, "no cause and no layer is called '" + status::printable(name) + "'; the nearest are " +
                               like + " (docs/diagnosis.md has them all)");
}

int judge_again(const Options& options, std::ostream& out) {
  std::error_code error;
  constexpr std::uintmax_t most_bytes = 16 << 20;
  std::ifstream file(options.findings);
  const bool is_file = std::filesystem::is_regular_file(options.findings, error);
  if (!file || !is_file) return complain(misused, "can't read " + options.findings + ": it has to be a file");
  if (std::filesystem::file_size(options.findings, error) > most_bytes)
    return complain(misused, options.findings + " is too large for what a look found");
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto recorded = status::read_recorded(text);
  if (!recorded) return complain(misused, options.findings + ": " + status::printable(recorded.error()));
  std::optional<int> worst;
  std::string names;
  for (const auto& [tunnel, findings] : *recorded) {
    names += (names.empty() ? "" : ", ") + status::printable(tunnel);
    if (!options.tunnel.empty() && options.tunnel != tunnel) continue;
    if (worst && show_of(options) != DoctorFace::Show::json) out << '\n';
    const std::string name = status::printable(tunnel);
    DoctorFace face{
        out, show_of(options), name, (name.empty() ? "As" : "as") + (" recorded in " + options.findings), {}};
    for (const auto& [layer, finding] : findings) face.take(layer, finding);
    worst = std::max(worst.value_or(done), face.end());
  }
  if (worst) return *worst;
  return complain(misused,
                  "no tunnel in " + options.findings + " is called '" + options.tunnel + "'; there are: " + names);
}

/// "me@relay:4649": who logs in where, and at which port the tunnel should be.
int look_outside(const Options& options, std::ostream& out) {
  const std::string& where = options.outside.where;
  const auto colon = where.rfind(':');
  int port = 0;
  const auto [end, error] =
      std::from_chars(where.data() + std::min(colon, where.size() - 1) + 1, where.data() + where.size(), port);
  if (colon == std::string::npos || colon == 0 || error != std::errc{} || end != where.data() + where.size() ||
      port < 1 || port > 65535)
    return complain(
        misused,
        "'" + where +
            "' names no port: write USER@RELAY:PORT, with the tunnel's port at the relay, as in me@relay.example:4649");
  doctor::Outside outside;
  outside.login = where.substr(0, colon);
  outside.port = static_cast<std::uint16_t>(port);
  outside.ssh_port = static_cast<std::uint16_t>(options.outside.ssh_port.value_or(0));
  outside.pins = options.outside.pins;
  if (const char* home = std::getenv("HOME"); home != nullptr)
    outside.known_hosts = std::string{home} + "/.ssh/known_hosts";
  DoctorFace face{out,
                  show_of(options),
                  "",
                  "Port " + std::to_string(port) + " at the relay, as seen by " + outside.login,
                  {doctor::outside_layers.begin(), doctor::outside_layers.end()}};
  doctor::look_from_outside(outside, [&](Layer layer, Finding finding) { face.take(layer, std::move(finding)); });
  return face.end();
}

/// Of the running daemon: of those that are not up, or of all if they are.
std::vector<std::string> worth_a_look(const Report& report) {
  std::vector<std::string> all;
  std::vector<std::string> down;
  for (const TunnelReport& tunnel : report.tunnels) {
    all.push_back(tunnel.name);
    if (!tunnel.up) down.push_back(tunnel.name);
  }
  return down.empty() ? all : down;
}

/// By the process that holds it.
std::optional<int> examine_there(const Options& options, const std::string& tunnel, std::ostream& out) {
  DoctorFace face{out, show_of(options), tunnel, "by the running holdfast", doctor::examined_layers()};
  if (options.capture) face.capture();
  std::string broken;
  const auto take = [&](const std::string& line) {
    auto found = status::from_line(line);
    if (!found) broken = found.error();
    // The service may not ask by itself, and whoever runs this may.
    auto* addresses = found ? std::get_if<AddressFindings>(&found->second) : nullptr;
    if (addresses != nullptr) doctor::find_duplicates(*addresses);
    if (found) face.take(found->first, std::move(found->second));
  };
  const std::string target = "/v1/tunnels/" + percent_encoded(tunnel) + "/doctor";
  Options asked = options;
  asked.timeout_seconds = std::max(options.timeout_seconds, longest_examination);
  const bool either = options.only.empty() && !options.socket;  // that process of one tunnel, or that of all
  if (either) asked.only = tunnel;
  auto response = stream(asked, target, take);
  if (!response && either && response.error().nobody) {
    asked.only.clear();
    response = stream(asked, target, take);
  }
  if (!response && response.error().nobody && !options.socket) return std::nullopt;
  if (!response) return complain(response.error().exit_status == misused ? misused : failed, response.error().text);
  if (response->status == 404 && response->body.find("no such address") != std::string::npos)
    return complain(failed, "the running holdfast is older than this command: restart it (systemctl restart holdfast)");
  if (response->status != 200) return complain(failed, status::error_text(response->body));
  if (!broken.empty())
    return complain(failed, "what the running holdfast says can't be read: " + status::printable(broken));
  return face.end();
}

/// The service's credentials are there while it runs; what they are made of lies in /etc/holdfast.
TunnelSpec with_keys_that_are_there(TunnelSpec tunnel) {
  const std::string credentials = "/run/credentials/holdfast.service/";
  for (auto* files : {&tunnel.identity_file, &tunnel.certificate_file}) {
    for (std::string& file : *files) {
      const std::string source = "/etc/holdfast/" + file.substr(std::min(credentials.size(), file.size()));
      if (file.starts_with(credentials) && std::filesystem::exists(source)) file = source;
    }
  }
  return tunnel;
}

int examine_here(const Options& options, const std::string& config, const TunnelSpec& tunnel, std::ostream& out) {
  const std::string own = own_state_folder();
  DoctorFace face{out, show_of(options), tunnel.name, "by this command: no holdfast runs here",
                  doctor::examined_layers()};
  if (options.capture) face.capture();
  const Failure nobody_holds = held_by_nobody(tunnel.name, config);  // asks systemd: the looks have no time to wait
  doctor::examine_alone(with_keys_that_are_there(at_relay(tunnel, relays_of(tunnel).front())),
                        own.empty() ? supervisor::state_folder("") : own, [&](Layer layer, Finding finding) {
                          if (layer == Layer::session) {
                            StepFindings nobody;
                            nobody.failure = nobody_holds;
                            finding = std::move(nobody);
                          }
                          face.take(layer, std::move(finding));
                        });
  return face.end();
}

/// Where no daemon runs.
int examine_all_here(const Options& options, std::ostream& out) {
  const std::string file = options.config.value_or(default_config());
  const auto loaded = preflight::load_configuration(file, config::files_outside_service());
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) std::cerr << config::to_string(problem) << '\n';
    return complain(misused, file + " can't be used: mend that first");
  }
  int worst = done;
  std::string names;
  bool found = false;
  for (const TunnelSpec& tunnel : loaded->config.tunnels) {
    names += (names.empty() ? "" : ", ") + tunnel.name;
    if (!options.tunnel.empty() && tunnel.name != options.tunnel) continue;
    found = true;
    const auto by_its_own = examine_there(options, tunnel.name, out);  // a process of this tunnel alone
    worst = std::max(worst, by_its_own ? *by_its_own : examine_here(options, file, tunnel, out));
  }
  if (found) return worst;
  return complain(misused, options.tunnel.empty()
                               ? file + " has no tunnel; 'holdfast init' makes one"
                               : "no tunnel is called '" + options.tunnel + "'; there are: " + names);
}

}  // namespace

int examine(const Options& options, std::ostream& out) {
  std::vector<std::string> tunnels{options.tunnel};
  if (options.tunnel.empty()) {
    const auto response = ask(options, "/v1/status");
    if (!response && response.error().nobody && !options.socket) return examine_all_here(options, out);
    if (!response) return complain(response.error().exit_status, response.error().text);
    const auto report = status::from_json(response->body);
    if (!report) return complain(failed, report.error());
    tunnels = worth_a_look(*report);
  }
  int worst = done;
  for (const std::string& tunnel : tunnels) {
    const auto result = examine_there(options, tunnel, out);
    if (!result) return examine_all_here(options, out);
    worst = std::max(worst, *result);
  }
  return worst;
}

int doctor(const Options& options) {
  if (const std::string misuse = misuse_of_doctor(options); !misuse.empty()) return complain(misused, misuse);
  if (options.nat_timeout) return measure_nat_timeout(options, std::cout);
  if (!options.explain.empty()) return explain(options.explain);
  if (!options.findings.empty()) return judge_again(options, std::cout);
  if (!options.outside.where.empty()) return look_outside(options, std::cout);
  if (!options.relay.where.empty()) return audit_relay(options, std::cout);
  if (!options.bundle.empty()) return write_bundle(options);
  return examine(options, std::cout);
}

}  // namespace holdfast::cli
