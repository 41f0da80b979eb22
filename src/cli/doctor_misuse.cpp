#include "cli/doctor_misuse.hpp"

#include <algorithm>
#include <string_view>
#include <vector>

namespace holdfast::cli {
namespace {

/// What the command is to do; one at a time.
struct Deed {
  std::string_view option;  ///< empty: the examination itself
  std::string typed;        ///< "--explain path_mtu"
};

/// What says more about a deed.
struct Detail {
  std::string_view option;
  bool given = false;
  std::vector<std::string_view> of{};  ///< the deeds that heed it
  std::string_view example{};          ///< to type, where it was given without any of them
};

constexpr std::string_view examination;

std::string quoted(const std::string& word) {
  return word.find_first_of(" \t'\"$\\*?;&|<>()") == std::string::npos && !word.empty() ? word : "\"" + word + "\"";
}

std::vector<Deed> deeds_of(const Options& options) {
  std::vector<Deed> deeds;
  const auto add = [&](std::string_view option, const std::string& value) {
    if (!value.empty()) deeds.push_back({option, std::string{option} + " " + quoted(value)});
  };
  if (options.nat_timeout)
    deeds.push_back({"--nat-timeout", "--nat-timeout " + (options.tunnel.empty() ? "TUNNEL" : quoted(options.tunnel))});
  add("--explain", options.explain);
  add("--findings", options.findings);
  add("--from-outside", options.outside.where);
  add("--relay", options.relay.where);
  add("--bundle", options.bundle);
  return deeds;
}

std::vector<Detail> details_of(const Options& options) {
  return {
      {"--json", options.json, {examination, "--findings", "--from-outside", "--nat-timeout"}, ""},
      {"--capture", options.capture, {examination, "--bundle"}, ""},
      {"TUNNEL", !options.tunnel.empty(), {examination, "--findings", "--bundle", "--nat-timeout"}, ""},
      {"--plain", options.plain, {"--bundle"}, "--bundle FILE --plain"},
      {"--account", options.relay.account.has_value(), {"--relay"}, "--relay USER@RELAY --account NAME"},
      {"--key", !options.relay.key.empty(), {"--relay"}, "--relay USER@RELAY --key FILE"},
      {"--pin", !options.outside.pins.empty(), {"--from-outside"}, "--from-outside USER@RELAY:PORT --pin SHA256:..."},
      {"--ssh-port",
       options.outside.ssh_port.has_value(),
       {"--from-outside", "--relay"},
       "--from-outside USER@RELAY:PORT --ssh-port PORT"},
  };
}

}  // namespace

std::string misuse_of_doctor(const Options& options) {
  const std::vector<Deed> deeds = deeds_of(options);
  if (deeds.size() > 1) {
    return std::string{deeds[0].option} + " and " + std::string{deeds[1].option} +
           " are two things to do: type 'holdfast doctor " + deeds[0].typed + "', and " + std::string{deeds[1].option} +
           " in a command of its own";
  }
  const Deed deed = deeds.empty() ? Deed{examination, ""} : deeds.front();
  for (const Detail& detail : details_of(options)) {
    const bool heeded = std::find(detail.of.begin(), detail.of.end(), deed.option) != detail.of.end();
    if (!detail.given || heeded) continue;
    const std::string option{detail.option};
    if (!detail.example.empty())
      return option + " belongs to " + std::string{detail.of.front()} + ": type 'holdfast doctor " +
             std::string{detail.example} + "'";
    const std::string what = option == "TUNNEL" ? "tunnel's name, as '" + options.tunnel + "' is" : option;
    return std::string{deed.option} + " takes no " + what + ": type 'holdfast doctor " + deed.typed + "'" +
           (option == "TUNNEL" ? "" : ", and " + option + " in a command of its own");
  }
  return {};
}

}  // namespace holdfast::cli
