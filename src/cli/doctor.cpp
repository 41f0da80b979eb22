#include <unistd.h>

#include <algorithm>
#include <cerrno>
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
#include "config/load.hpp"
#include "doctor/arp.hpp"
#include "doctor/examination.hpp"
#include "doctor/outside.hpp"
#include "doctor/where.hpp"
#include "holdfast/enumerators.hpp"
#include "holdfast/relays.hpp"
#include "holdfast/words.hpp"
#include "preflight/configuration.hpp"
#include "status/diagnosis_text.hpp"
#include "status/findings_json.hpp"
#include "status/json.hpp"
#include "status/printable.hpp"
#include "supervisor/share.hpp"

namespace holdfast::cli {
namespace {

constexpr double longest_examination = 35;  ///< seconds

DoctorRound::Show show_of(const Options& options) {
  return options.json || !options.bundle.empty() ? DoctorRound::Show::json : DoctorRound::Show::text;
}

int explain(const std::string& name) {
  if (const auto cause = named<Cause>(name)) {
    std::cout << status::explanation(facts_of(*cause), page_of_output());
    return done;
  }
  if (const auto layer = status::layer_called(name)) {
    std::cout << status::explanation(*layer, page_of_output());
    return done;
  }
  return complain(misused, "no cause and no layer is called '" + status::printable(name) + "'; the nearest are " +
                               joined(status::names_like(name), ", ") + " (docs/diagnosis.md has them all)");
}

int judge_again(const Options& options, std::ostream& out) {
  std::error_code error;
  constexpr std::uintmax_t most_bytes = 16 << 20;
  std::ifstream file(options.findings);
  const bool is_file = std::filesystem::is_regular_file(options.findings, error);
  if (!std::filesystem::exists(options.findings, error))
    return complain(misused, "there is no file " + options.findings);
  if (!file || !is_file) return complain(misused, "can't read " + options.findings + ": it has to be a file");
  if (std::filesystem::file_size(options.findings, error) > most_bytes)
    return complain(misused, options.findings + " is too large for what a look found");
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto recorded = status::read_recorded(text);
  if (!recorded) return complain(misused, options.findings + ": " + status::printable(recorded.error()));
  DoctorRound round{out, show_of(options)};
  std::optional<int> worst;
  std::vector<std::string> names;
  for (const auto& [tunnel, findings] : *recorded) {
    const std::string& name = names.emplace_back(status::printable_name(tunnel));
    if (!options.tunnel.empty() && options.tunnel != tunnel) continue;
    DoctorFace face{round, name, (name.empty() ? "As" : "as") + (" recorded in " + options.findings), {}};
    for (const auto& [layer, finding] : findings) face.take(layer, finding);
    worst = std::max(worst.value_or(done), face.end());
  }
  round.end();
  if (worst) return *worst;
  return complain(misused, "no tunnel in " + options.findings + " is called '" + options.tunnel +
                               "'; there are: " + joined(names, ", "));
}

/// "me@relay:4649": who logs in where, and at which port the tunnel should be.
int look_outside(const Options& options, std::ostream& out) {
  const doctor::Where where = doctor::read_where(options.outside.where);
  const std::string example = "write USER@RELAY:PORT, with the tunnel's port at the relay, as in me@relay.example:4649";
  if (where.port.empty() || where.login.empty())
    return complain(misused, "'" + options.outside.where + "' names no " + (where.login.empty() ? "login" : "port") +
                                 ": " + example);
  const auto port = doctor::read_port(where.port);
  if (!port) return complain(misused, "'" + where.port + "' is no port, which is from 1 to 65535: " + example);
  if (*port == options.outside.ssh_port.value_or(22))
    return complain(misused, "port " + where.port + " is where the relay's own sshd is logged in to: " + example);
  doctor::Outside outside;
  outside.login = where.login;
  outside.port = *port;
  outside.ssh_port = static_cast<std::uint16_t>(options.outside.ssh_port.value_or(0));
  outside.pins = options.outside.pins;
  if (const char* home = std::getenv("HOME"); home != nullptr)
    outside.known_hosts = std::string{home} + "/.ssh/known_hosts";
  DoctorRound round{out, show_of(options)};
  DoctorFace face{round,
                  "",
                  "Port " + where.port + " at the relay, as seen by " + outside.login,
                  {doctor::outside_layers.begin(), doctor::outside_layers.end()}};
  doctor::look_from_outside(outside, [&](Layer layer, Finding finding) { face.take(layer, std::move(finding)); });
  return face.end();
}

/// Picks the running daemon's tunnels that something is wrong with, by a status that may be some time old. All of them
/// if nothing is, or if they are few.
std::vector<std::string> worth_a_look(const Report& report, DoctorRound& round) {
  const auto is_well = [](const TunnelReport& tunnel) { return health(tunnel) == Health::ok; };
  constexpr std::size_t few = 4;
  const bool all = report.tunnels.size() <= few || std::all_of(report.tunnels.begin(), report.tunnels.end(), is_well);
  std::vector<std::string> names;
  for (const TunnelReport& tunnel : report.tunnels) {
    if (all || !is_well(tunnel)) {
      names.push_back(tunnel.name);
    } else {
      round.leave_out(tunnel.name, "was not looked at: by its status, which may lag by minutes, it is well");
    }
  }
  return names;
}

/// Are there other files, or another text in one of them, than that process has read? None: there is no telling.
std::optional<bool> was_changed(const Report& report) {
  std::error_code error;
  if (!report.configuration || !std::filesystem::is_regular_file(report.configuration->path, error))
    return std::nullopt;
  const std::string digest = config::digest_of(report.configuration->path);
  if (digest.empty() || report.configuration->digest.empty()) return std::nullopt;
  return digest != report.configuration->digest;
}

/// `only`: see supervisor/share.hpp.
void remark_on_configuration(const Report& report, const std::string& only, DoctorRound& round) {
  const auto changed = was_changed(report);
  if (report.last_reload_error && changed.value_or(true))
    return round.remark("the last reload was refused: " + *report.last_reload_error +
                        ". Mend the file, try it (holdfast check), and reload.");
  // A process of one tunnel reads the files of all: their changes need not be its own.
  if (only.empty() && changed.value_or(false))
    round.remark(report.configuration->path +
                 ", or its conf.d, was changed since the running holdfast has read it: holdfast check says whether it "
                 "can be used, holdfast reload takes it over.");
}

/// While the former configuration serves, the tunnel is well.
void remark_on_change(const Report& report, const std::string& tunnel, DoctorRound& round) {
  for (const TunnelReport& each : report.tunnels) {
    if (each.name != tunnel || !each.change || !each.change->last_error) continue;
    const Failure& failure = each.change->last_error->failure;
    round.remark("the changed one of " + tunnel + " can't come up, and the former one serves: " + describe(failure) +
                 ". " + std::string{remedy(failure)});
  }
}

/// By the process that holds it, which `asked` names and which has just answered.
int examine_there(const Options& options, Options asked, const std::string& tunnel, DoctorRound& round) {
  DoctorFace face{round, tunnel, "by the running holdfast", doctor::examined_layers()};
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
  asked.timeout_seconds = std::max(options.timeout_seconds, longest_examination);
  const auto response = stream(asked, target, take);
  if (!response) return complain(response.error().exit_status, response.error().text);
  if (response->status == 404 && response->body.find("no such address") != std::string::npos)
    return complain(failed, "the running holdfast is older than this command: restart it (systemctl restart holdfast)");
  if (response->status == 404)
    return complain(misused, status::error_text(response->body) +
                                 " (what a file says that was changed since counts after 'holdfast reload')");
  if (response->status != 200) return complain(failed, status::error_text(response->body));
  if (!broken.empty())
    return complain(failed, "what the running holdfast says can't be read: " + status::printable(broken));
  return face.end();
}

/// The service's credentials are there while it runs; what they are made of lies in /etc/holdfast.
TunnelSpec with_keys_that_are_there(TunnelSpec tunnel) {
  const std::string credentials = std::string{config::service_credentials} + "/";
  for (auto* files : {&tunnel.identity_file, &tunnel.certificate_file}) {
    for (std::string& file : *files) {
      const std::string source = "/etc/holdfast/" + file.substr(std::min(credentials.size(), file.size()));
      if (file.starts_with(credentials) && std::filesystem::exists(source)) file = source;
    }
  }
  return tunnel;
}

/// What this user may not read says nothing of what the service may.
bool is_for_others_only(const TunnelSpec& tunnel, const Finding& finding) {
  const auto* found = std::get_if<StepFindings>(&finding);
  const auto cause = found != nullptr && found->failure ? std::optional{found->failure->cause} : std::nullopt;
  const auto denied = [](const std::string& file) { return ::access(file.c_str(), R_OK) != 0 && errno == EACCES; };
  if (cause == Cause::known_hosts_unusable) return denied(tunnel.user_known_hosts_file);
  return cause == Cause::identity_unusable &&
         std::any_of(tunnel.identity_file.begin(), tunnel.identity_file.end(), denied);
}

int examine_here(const Options& options, const std::string& config, const TunnelSpec& tunnel,
                 const std::string& silence, DoctorRound& round) {
  const std::string own = own_state_folder();
  const std::string why = silence.empty() ? "no running holdfast has it" : "the running holdfast does not answer";
  const std::size_t relays = relays_of(tunnel).size();
  const std::string which = relays == 1 ? "" : "; of its " + std::to_string(relays) + " relays the first";
  DoctorFace face{round, tunnel.name, "by this command: " + why + which, doctor::examined_layers()};
  if (options.capture) face.capture();
  // Asks systemd: the looks have no time to wait.
  const Failure nobody_holds =
      silence.empty() ? held_by_nobody(tunnel.name, config) : held_by_silent_service(tunnel.name, config, silence);
  doctor::examine_alone(with_keys_that_are_there(at_relay(tunnel, relays_of(tunnel).front())),
                        own.empty() ? supervisor::state_folder("") : own, [&](Layer layer, Finding finding) {
                          if (layer == Layer::session) {
                            StepFindings nobody;
                            nobody.failure = nobody_holds;
                            finding = std::move(nobody);
                          }
                          if (is_for_others_only(tunnel, finding))
                            finding = Skipped{"this user may not read what the service reads: run this as root"};
                          face.take(layer, std::move(finding));
                        });
  return face.end();
}

/// The configuration, for tunnels that no process answers for.
std::optional<Config> configuration(const std::string& file) {
  auto loaded = preflight::load_configuration(file, config::files_outside_service());
  if (loaded) return std::move(loaded->config);
  for (const config::Problem& problem : loaded.error()) std::cerr << config::to_string(problem) << '\n';
  auto without_keys = preflight::load_configuration(file, config::files_without_keys());
  if (without_keys) return std::move(without_keys->config);  // the rest can be looked at all the same
  complain(misused, file + " can't be used: mend that first");
  return std::nullopt;
}

struct Wanted {
  std::vector<std::string> tunnels;
  std::string silence{};  ///< why the process that was asked for them did not answer; empty: it did, or there is none
};

/// By the process of that tunnel alone, or by that of all, or where neither answers by this command. `silence`: the one
/// that is meant is known not to answer.
int examine(const Options& options, const std::string& tunnel, std::string silence, DoctorRound& round) {
  std::vector<Options> holders;
  if (silence.empty()) holders.push_back(options);
  if (!options.socket) {
    Options other = options;
    other.only = options.only.empty() ? tunnel : "";
    holders.insert(options.only.empty() ? holders.begin() : holders.end(), other);
  }
  for (const Options& asked : holders) {
    const auto status = ask(asked, "/v1/status");
    if (status) {
      const auto report = status::from_json(status->body);
      if (report) remark_on_configuration(*report, asked.only, round);
      if (report) remark_on_change(*report, tunnel, round);
      return examine_there(options, asked, tunnel, round);
    }
    const Unanswered& why = status.error();
    if (why.denied || options.socket || why.exit_status == misused) return complain(misused, why.text);
    if (!why.nobody) silence = why.text;
  }
  const std::string file = options.config.value_or(default_config());
  const auto config = configuration(file);
  if (!config) return silence.empty() ? misused : complain(misused, silence);
  if (const TunnelSpec* spec = find_tunnel(*config, tunnel)) return examine_here(options, file, *spec, silence, round);
  return complain(misused, "no tunnel is called '" + tunnel + "'; there are: " + joined(tunnel_names(*config), ", "));
}

/// Which are to be looked at; else the exit status.
tl::expected<Wanted, int> tunnels_to_look_at(const Options& options, DoctorRound& round) {
  if (!options.tunnel.empty()) return Wanted{{options.tunnel}};
  const auto response = ask(options, "/v1/status");
  if (response) {
    const auto report = status::from_json(response->body);
    if (!report) return tl::unexpected{complain(failed, report.error())};
    if (report->tunnels.empty())
      return tl::unexpected{complain(misused, "the running holdfast holds no tunnel; 'holdfast init' makes one")};
    return Wanted{worth_a_look(*report, round)};
  }
  const Unanswered& why = response.error();
  if (why.denied || options.socket || why.exit_status == misused) return tl::unexpected{complain(misused, why.text)};
  const std::string silence = why.nobody ? "" : why.text;
  if (!options.only.empty()) return Wanted{{options.only}, silence};
  const std::string file = options.config.value_or(default_config());
  const auto config = configuration(file);
  if (!config) return tl::unexpected{int{misused}};
  std::vector<std::string> names = tunnel_names(*config);
  if (names.empty()) return tl::unexpected{complain(misused, file + " has no tunnel; 'holdfast init' makes one")};
  return Wanted{std::move(names), silence};
}

}  // namespace

int examine(const Options& options, std::ostream& out) {
  DoctorRound round{out, show_of(options)};
  const auto wanted = tunnels_to_look_at(options, round);
  if (!wanted) return wanted.error();
  int worst = done;
  for (const std::string& tunnel : wanted->tunnels) {
    const std::size_t told = round.tunnels();
    worst = std::max(worst, examine(options, tunnel, wanted->silence, round));
    if (round.tunnels() == told) round.leave_out(tunnel, "could not be looked at");
  }
  return std::max(worst, round.end());
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
