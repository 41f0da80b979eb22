#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>
#include <utility>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "cli/places.hpp"
#include "cli/service_user.hpp"
#include "config/load.hpp"
#include "config/tunnel.hpp"
#include "migrate/command_line.hpp"
#include "migrate/translate.hpp"
#include "setup/command.hpp"

namespace holdfast::cli {
namespace {

constexpr const char* sidedoor_file = "/etc/default/sidedoor";
constexpr const char* sidedoor_ssh_config = "/etc/sidedoor/config";

std::string user_name() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
  const passwd* entry = ::getpwuid(::geteuid());
  return entry != nullptr ? entry->pw_name : "";
}

std::string home() {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
  const char* given = std::getenv("HOME");
  if (given != nullptr && *given != '\0') return given;
  // NOLINTNEXTLINE(concurrency-mt-unsafe)
  const passwd* entry = ::getpwuid(::getuid());
  return entry != nullptr ? entry->pw_dir : "";
}

/// What ssh leaves out because it can't use it, it says itself.
tl::expected<migrate::SshConfig, std::string> ask_ssh(const migrate::Words& arguments) {
  std::vector<std::string> command{"ssh", "-G", "-T"};
  command.insert(command.end(), arguments.begin(), arguments.end());
  const auto ended = setup::run(command);
  if (!ended) return tl::unexpected<std::string>("there is no ssh to ask: install openssh-client, for this alone");
  if (ended->exit_status != 0) return tl::unexpected<std::string>("ssh does not take it, as it says above");
  return migrate::parse_ssh_config(ended->output);
}

/// The keys and the files of known hosts that exist.
std::vector<std::string> existing(const migrate::SshConfig& ssh, const std::string& home) {
  std::vector<std::string> there;
  std::error_code ignored;
  for (const char* keyword : {"identityfile", "userknownhostsfile"}) {
    const auto found = ssh.find(keyword);
    if (found == ssh.end()) continue;
    for (const std::string& value : found->second) {
      std::istringstream names{value};
      for (std::string name; names >> name;) {
        if (name.starts_with("~/")) name.replace(0, 1, home);
        if (std::filesystem::exists(name, ignored)) there.push_back(name);
      }
    }
  }
  return there;
}

/// Root's tunnels are the service's; a user's own are the user's.
std::optional<std::string> service_user() {
  if (!own_config_folder().empty()) return std::nullopt;
  const auto user = find_service_user("", true);
  return user ? user->name : "_holdfast";
}

/// What a file that is about to be written names is not there yet.
class NotYetThere final : public config::Files {
 public:
  Kind private_key(const std::string& /*path*/) const override { return Kind::unseen; }
  Kind readable_file(const std::string& /*path*/) const override { return Kind::unseen; }
  std::optional<std::string> credentials_directory() const override { return config::service_credentials; }
  std::string congestion_controls() const override { return {}; }
};

/// What ssh takes and holdfast does not.
bool is_good(const std::string& yaml) {
  const auto loaded = config::parse(yaml, "line", NotYetThere{});
  if (loaded) return true;
  for (const config::Problem& problem : loaded.error()) std::cerr << "mend     " << config::to_string(problem) << '\n';
  return false;
}

int print(const Options& options, const migrate::Command& command) {
  if (!config::is_tunnel_name(options.import_name)) {
    return complain(misused, "--name: " + std::string{config::tunnel_name_rule});
  }
  auto arguments = migrate::take_apart(command);
  if (!arguments) return complain(misused, arguments.error());
  const auto effective = ask_ssh(arguments->for_ssh);
  if (!effective) return complain(failed, effective.error());
  const auto host = effective->find("hostname");
  if (host == effective->end()) return complain(failed, "ssh says of no relay: is it a command line for a session?");
  const auto defaults = ask_ssh({"-F", "/dev/null", host->second.front()});
  if (!defaults) return complain(failed, defaults.error());
  migrate::Origin origin{options.import_name, *effective, *defaults, command.environment};
  origin.monitor_port = arguments->monitor_port;
  origin.remote_command = arguments->remote_command;
  origin.password = command.password;
  origin.left_out = command.left_out;
  origin.left_out.insert(origin.left_out.end(), arguments->left_out.begin(), arguments->left_out.end());
  origin.home = home();
  origin.user = user_name();
  origin.existing = existing(*effective, origin.home);
  origin.service_user = service_user();
  const auto translation = migrate::translate(origin);
  if (!translation) return complain(failed, translation.error());
  std::cout << translation->yaml << std::flush;
  if (!command.user.empty() && command.user != origin.user) {
    std::cerr << "note     it runs as " << command.user << ", whose files ssh reads: run this as " << command.user
              << ", too, and compare\n";
  }
  for (const std::string& line : translation->dropped) std::cerr << "dropped  " << line << '\n';
  for (const std::string& line : translation->to_do) std::cerr << "to do    " << line << '\n';
  return is_good(translation->yaml) ? done : failed;
}

std::string standard_input() {
  return {std::istreambuf_iterator<char>{std::cin}, std::istreambuf_iterator<char>{}};
}

std::optional<std::string> content_of(const std::string& path) {
  std::ifstream file{path};
  if (!file) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
}

}  // namespace

int import_command(const Options& options) {
  const std::vector<std::string>& words = options.import_words;
  if (words.empty() && ::isatty(STDIN_FILENO) == 1) {
    return complain(misused, "what is to be imported? Put its command line behind --, or into standard input");
  }
  // A line in quotes, or a file.
  if (words.size() <= 1) {
    const auto command = migrate::find_command(words.empty() ? standard_input() : words.front(), content_of);
    if (!command) return complain(misused, command.error());
    return print(options, *command);
  }
  auto found = migrate::command_in(words);
  if (!found && !words.front().starts_with('-')) {
    return complain(misused,
                    "'" + words.front() + "' is neither autossh nor ssh: give their command line, or their options");
  }
  migrate::Command command = found ? std::move(*found) : migrate::Command{true, {}, words, "", false};
  // The variables are those that autossh itself reads.
  for (const char* name : {"AUTOSSH_POLL", "AUTOSSH_FIRST_POLL", "AUTOSSH_PORT", "AUTOSSH_GATETIME", "AUTOSSH_MAXSTART",
                           "AUTOSSH_MAXLIFETIME", "AUTOSSH_LOGFILE", "AUTOSSH_PIDFILE"}) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (const char* value = std::getenv(name)) command.environment[name] = value;
  }
  return print(options, command);
}

int import_ssh_config(const Options& options) {
  migrate::Command command{false, {}, options.import_words, "", false};
  if (!options.ssh_config.empty()) {
    command.arguments.insert(command.arguments.begin(), {"-F", options.ssh_config});
  }
  return print(options, command);
}

/// /usr/bin/sidedoor runs `ssh -NT -F /etc/sidedoor/config $OPTIONS $REMOTE_SERVER`.
int import_sidedoor(const Options& options) {
  const auto text = content_of(sidedoor_file);
  if (!text) return complain(failed, std::string{sidedoor_file} + " can't be read: is sidedoor configured here?");
  const auto commands = migrate::shell_commands(*text);
  if (!commands) return complain(failed, std::string{sidedoor_file} + ": " + commands.error());
  migrate::Command command{false, {}, {"-F", sidedoor_ssh_config}, "", false};
  std::string server;
  for (const migrate::Words& words : *commands) {
    for (const std::string& word : words) {
      const std::string name = word.substr(0, word.find('='));
      const std::string value = name.size() < word.size() ? word.substr(name.size() + 1) : "";
      std::istringstream given{value};
      if (name == "REMOTE_SERVER") {
        server = value;
      } else if (name == "OPTIONS") {
        for (std::string option; given >> option;) command.arguments.push_back(option);
      } else if (name.size() < word.size()) {
        command.left_out.push_back(word + ": sidedoor's service reads OPTIONS and REMOTE_SERVER only; ports are in -R");
      }
    }
  }
  if (!server.empty()) command.arguments.push_back(server);
  return print(options, command);
}

}  // namespace holdfast::cli
