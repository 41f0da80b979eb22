#include "cli/init/wish.hpp"

#include <unistd.h>

#include <charconv>
#include <iostream>

#include "config/forward_syntax.hpp"
#include "config/tunnel.hpp"
#include "config/wording.hpp"

namespace holdfast::cli::steps {
namespace {

constexpr std::uint16_t usual_port = 4649;
constexpr int first_unprivileged_port = 1024;

std::string command_of(const InitOptions& options, const std::string& more = "") {
  std::string command = variable("SUDO_USER").empty() ? "holdfast init" : "sudo holdfast init";
  const auto add = [&](const std::string& name, const std::string& value, const std::string& usual) {
    if (value != usual) command += " " + name + " " + config::shell_word(value);
  };
  add("--relay", options.relay, "");
  add("--port", std::to_string(options.port.value_or(usual_port)), std::to_string(usual_port));
  add("--name", options.name, InitOptions{}.name);
  add("--target", options.target, InitOptions{}.target);
  for (const std::string& pin : options.pins) add("--pin", pin, "");
  add("--config-dir", options.config_dir, "");
  add("--state-dir", options.state_dir, "");
  if (options.install_key) command += " --install-key";
  if (options.yes) command += " --yes";
  if (options.no_start) command += " --no-start";
  if (options.dry_run) command += " --dry-run";
  return command + more;
}

}  // namespace

std::string ask_for(const std::string& what, const std::string& usual) {
  std::cout << what << (usual.empty() ? "" : " [" + usual + "]") << ": " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer.empty() ? usual : answer;
}

std::optional<std::string> Wish::understand() {
  const auto found = find_places(options);
  if (!found)
    return "a system user, or one without HOME, has no place for it: run this as root, or give --config-dir and "
           "--state-dir";
  places = *found;
  if (options.relay.empty()) {
    if (::isatty(STDIN_FILENO) != 1)
      return "--relay is missing, and there is no terminal to ask on: --relay USER@HOST, as tunnel@relay.example";
    options.relay = ask_for("The account on the relay, USER@HOST", "");
    if (const auto typed = setup::parse_login(options.relay); !typed) return "--relay: " + typed.error();
    if (!options.port) {
      const std::string port = ask_for("The port there that leads here", std::to_string(usual_port));
      std::from_chars(port.data(), port.data() + port.size(), options.port.emplace(0));
    }
  }
  const auto login = setup::parse_login(options.relay);
  if (!login) return "--relay: " + login.error();
  const int port = options.port.value_or(usual_port);
  if (port < 1 || port > 65535) return "--port: write a port from 1 to 65535";
  if (!config::is_tunnel_name(options.name)) return "--name: " + std::string{config::tunnel_name_rule};
  const auto target = config::parse_target(options.target);
  if (!target) return "--target: '" + options.target + "': " + target.error() + "; write HOST:PORT, as localhost:22";
  if (port < first_unprivileged_port && login->user != "root") {
    std::cerr << "warning: --port " << port << " is below " << first_unprivileged_port
              << ": only root's account may listen there; take another one\n";
  }
  tunnel.name = options.name;
  tunnel.login = *login;
  tunnel.forward = RemoteForward{"localhost", static_cast<std::uint16_t>(port), *target};
  tunnel.identity_file = places.is_service() ? "${CREDENTIALS_DIRECTORY}/id_ed25519" : places.key();
  if (places.is_service()) tunnel.identity_comment = "systemd's copy of " + places.key();
  if (!places.is_service()) tunnel.known_hosts = places.known_hosts();
  return std::nullopt;
}

std::string Wish::again(const std::string& more) const {
  return command_of(options, more);
}

std::string Wish::without_install_key() const {
  InitOptions other = options;
  other.install_key = false;
  return command_of(other);
}

std::string Wish::without_pins() const {
  InitOptions other = options;
  other.pins.clear();
  other.yes = false;  // this key is to be compared, not taken
  return command_of(other);
}

std::string Wish::with_other_name() const {
  InitOptions other = options;
  other.port.reset();
  other.name = InitOptions{}.name;
  return command_of(other, " --name OTHER --port OTHER");
}

void Wish::say(const std::string& step, const std::string& text) const {
  std::cout << step << ": " << (options.dry_run ? "(dry run) " : "") << text << std::endl;
}

}  // namespace holdfast::cli::steps
