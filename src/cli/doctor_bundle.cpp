#include "cli/doctor_bundle.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <regex>
#include <sstream>
#include <utility>
#include <vector>

#include "cli/daemon.hpp"
#include "cli/places.hpp"
#include "config/load.hpp"
#include "doctor/anonymous.hpp"
#include "holdfast/relays.hpp"
#include "holdfast/version.hpp"
#include "preflight/configuration.hpp"
#include "setup/command.hpp"
#include "setup/files.hpp"
#include "status/json.hpp"
#include "status/printable.hpp"

namespace holdfast::cli {
namespace {

std::string output_of(const std::vector<std::string>& command) {
  const auto ended = setup::run(command);
  if (!ended) return command.front() + " is not installed here\n";
  return ended->output.empty() ? "nothing\n" : status::printable(ended->output);
}

std::string versions() {
  std::string text = "holdfast " + std::string{holdfast::version} + "\n";
  utsname system{};
  if (::uname(&system) == 0) text += std::string{system.sysname} + " " + system.release + " " + system.machine + "\n";
  std::ifstream release("/etc/os-release");
  for (std::string line; std::getline(release, line);) {
    if (line.starts_with("PRETTY_NAME=")) text += line.substr(line.find('=') + 1) + "\n";
  }
  return text;
}

/// The last hour of the service's log, or of the user's own service's.
std::string log_of_last_hour() {
  const std::string unit = own_config_folder().empty() ? "-u" : "--user-unit";
  return output_of(
      {"sh", "-c", "journalctl " + unit + " 'holdfast*' --since -1h -o short-iso --no-pager -q -n 400 2>&1"});
}

using Names = std::vector<doctor::Anonymous::Name>;

void add_names(Names& names, const Config& config) {
  for (const TunnelSpec& tunnel : config.tunnels) {
    for (const RelaySpec& relay : relays_of(tunnel)) names.push_back({relay.host_name, "relay"});
    names.push_back({tunnel.user, "user"});
    names.push_back({tunnel.device_id, "device"});
    names.push_back({tunnel.name, "tunnel"});
    for (const RemoteForward& forward : tunnel.remote_forward) {
      names.push_back({forward.bind_address, "host"});
      if (const auto* target = std::get_if<TcpTarget>(&forward.target)) names.push_back({target->host, "host"});
    }
  }
}

/// What a carrier, a relay's owner or a target calls itself, and whose home files lie in.
void add_names_of(Names& names, const std::string& text) {
  const auto add = [&](const char* pattern, const std::string& kind) {
    const std::regex each{pattern};
    for (std::sregex_iterator found{text.begin(), text.end(), each}, end; found != end; ++found)
      names.push_back({(*found)[1].str(), kind});
  };
  add(R"re("(?:apn|operator_name)": *"([^"]{1,80}))re", "carrier");
  add(R"re("words": *"(?!SSH-)([^"]{1,120}))re", "words");
  add(R"re(the relay says: ([^"\n]{1,120}))re", "words");
  add(R"re(/home/([A-Za-z0-9._-]{1,40}))re", "user");
}

/// What an sshd says behind its version, but for what a distribution has there: VersionAddendum may name a site.
void add_addenda(Names& names, const std::string& text) {
  static const std::regex banner{R"re("SSH-[0-9.]+-[^ "\\]+ ([^"\\\n(),;]{1,200}))re"};
  static const std::regex of_distribution{R"(^(?:Debian|Ubuntu|Raspbian|FreeBSD)-[A-Za-z0-9.+~-]+ ?)"};
  for (std::sregex_iterator found{text.begin(), text.end(), banner}, end; found != end; ++found)
    names.push_back({std::regex_replace((*found)[1].str(), of_distribution, ""), "addendum"});
}

std::string section(const std::string& title, const std::string& text) {
  return "==== " + title + "\n" + text + (text.ends_with('\n') ? "\n" : "\n\n");
}

}  // namespace

int write_bundle(const Options& options) {
  if (::access(options.bundle.c_str(), F_OK) == 0)
    return complain(misused, options.bundle + " is there already: name another file");
  Names names;
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) names.push_back({host.data(), "device"});
  const std::string file = options.config.value_or(default_config());
  const auto loaded = preflight::load_configuration(file, config::files_outside_service());
  std::string configuration;
  if (loaded) {
    add_names(names, loaded->config);
    configuration = config::to_yaml(loaded->config);
  } else {
    for (const config::Problem& problem : loaded.error()) configuration += config::to_string(problem) + "\n";
  }
  std::ostringstream diagnosis;
  examine(options, diagnosis);
  const bool examined = !diagnosis.str().empty();
  if (!examined) diagnosis << "none: the look itself failed\n";
  const auto status = ask(options, "/v1/status");
  const auto report = status::from_json(status ? status->body : "");
  const auto running = report ? report->configuration : std::nullopt;
  if (loaded && running && running->path == std::filesystem::absolute(file) && running->digest != loaded->digest)
    configuration.insert(0, "# Not what runs: the files were changed since the running holdfast has read them.\n");
  const std::string text = section("versions", versions()) + section("diagnosis", diagnosis.str()) +
                           section("status", status ? status->body : status.error().text) +
                           section("configuration", configuration) +
                           section("log of the last hour", log_of_last_hour());
  add_names_of(names, text);
  add_addenda(names, text);
  doctor::Anonymous anonymous{options.plain ? Names{} : names};
  const auto made = setup::create_file(options.bundle, options.plain ? text : anonymous(text), 0600);
  if (!made) return complain(failed, made.error());
  if (!*made) return complain(misused, options.bundle + " is there already: name another file");
  std::cout << options.bundle << (examined ? " has the diagnosis, the status," : " has no diagnosis, but the status,")
            << " the configuration, the log of the last hour and "
            << "versions. No key is in it"
            << (options.plain ? ", but names and addresses are.\n"
                              : ", and names and addresses are replaced; the paths of files stay.\n")
            << "Look through it before you send it.\n";
  return done;
}

}  // namespace holdfast::cli
