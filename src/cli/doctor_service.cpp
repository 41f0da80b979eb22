#include "cli/doctor_service.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include "cli/places.hpp"
#include "setup/command.hpp"

namespace holdfast::cli {
namespace {

bool is_file(const std::string& file, const std::string& other) {
  std::error_code error;
  return file == other || std::filesystem::equivalent(file, other, error);
}

/// The configuration is that of the user's own service, not of the system's.
bool is_of_own_service(const std::string& config) {
  const std::string own = own_config_folder();
  return !own.empty() && is_file(config, own + "/holdfast.yaml");
}

struct Unit {
  std::string name;    ///< "holdfast.service"
  std::string file;    ///< UnitFileState: "enabled", "disabled"; empty: there is none
  std::string active;  ///< ActiveState: "inactive", "failed"
  std::string sub;     ///< SubState: "dead", "auto-restart"
  std::string result;  ///< "success", "exit-code"
};

bool is_meant_to_run(const Unit& unit) {
  if (unit.name.empty()) return false;
  return unit.file.starts_with("enabled") || (!unit.active.empty() && unit.active != "inactive");
}

/// None where there is no systemd that could be asked.
std::optional<std::vector<Unit>> units_of(const std::string& tunnel, bool is_own) {
  const auto shown =
      setup::run({"sh", "-c", "exec timeout 5 systemctl \"$@\" 2>/dev/null", "sh", is_own ? "--user" : "--system",
                  "show", "--property=Id,UnitFileState,ActiveState,SubState,Result", "holdfast.service",
                  "holdfast@" + tunnel + ".service"});
  if (!shown || shown->exit_status != 0) return std::nullopt;
  std::vector<Unit> units(1);
  std::istringstream lines{shown->output};
  for (std::string line; std::getline(lines, line);) {
    if (line.empty()) units.emplace_back();
    const std::string value = line.substr(line.find('=') + 1);
    if (line.starts_with("Id=")) units.back().name = value;
    if (line.starts_with("UnitFileState=")) units.back().file = value;
    if (line.starts_with("ActiveState=")) units.back().active = value;
    if (line.starts_with("SubState=")) units.back().sub = value;
    if (line.starts_with("Result=")) units.back().result = value;
  }
  return units;
}

/// "holdfast.service is failed: exit-code"
std::string state_of(const Unit& unit) {
  const bool more = unit.sub != unit.active && unit.sub != "dead" && !unit.sub.empty();
  std::string text = unit.name + " is " + unit.active + (more ? " (" + unit.sub + ")" : "");
  if (unit.result != "success" && !unit.result.empty()) text += ": " + unit.result;
  return text + (unit.active == "inactive" ? " and " + unit.file : "");
}

}  // namespace

Failure held_by_nobody(const std::string& tunnel, const std::string& config) {
  const bool is_own = is_of_own_service(config);
  if (!is_own && !is_file(config, service_config)) {
    return {Cause::not_started, "hold", tunnel, "no holdfast runs with " + config,
            "To hold it for as long as it runs: holdfast run -c " + config + "."};
  }
  const std::string user = is_own ? "--user " : "";
  const auto units = units_of(tunnel, is_own);
  if (!units) {
    return {Cause::not_started, "hold", tunnel, "systemd does not say whether a service should",
            "To hold it for as long as it runs: holdfast run."};
  }
  const auto unit = std::find_if(units->begin(), units->end(), is_meant_to_run);
  if (unit == units->end()) {
    const std::string enable = "systemctl " + user + "enable --now holdfast";
    return {Cause::not_started, "hold", tunnel, "no service is enabled that would",
            "To have the service hold it now and after each boot: " + enable + ". By hand: holdfast run."};
  }
  const std::string name = unit->name.substr(0, unit->name.rfind(".service"));
  if (unit->active == "active") {
    return {Cause::not_running, "hold", tunnel, state_of(*unit) + ", and does not answer at this socket",
            "Restart it, so that it takes this configuration: systemctl " + user + "restart " + name + "."};
  }
  return {Cause::not_running, "hold", tunnel, state_of(*unit),
          "Start it: systemctl " + user + "start " + name + ". If it does not stay, these say why: systemctl " + user +
              "status " + name + ", journalctl " + (is_own ? "--user-unit " : "-u ") + name + "."};
}

Failure held_by_silent_service(const std::string& tunnel, const std::string& config, const std::string& why) {
  const std::string user = is_of_own_service(config) ? "--user " : "";
  return {Cause::not_answering, "ask the running holdfast about", tunnel, why,
          "Restart it: systemctl " + user +
              "restart holdfast, or the process that runs by hand. Its log says what it "
              "did last: journalctl " +
              (user.empty() ? "-u" : "--user-unit") + " holdfast."};
}

}  // namespace holdfast::cli
