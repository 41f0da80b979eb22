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
#include "migrate/command_line.hpp"
#include "migrate/translate.hpp"
#include "setup/command.hpp"

namespace holdfast::cli {
namespace {

constexpr const char* sidedoor_file = "/etc/default/sidedoor";
constexpr const char* sidedoor_ssh_config = "/etc/sidedoor/config";

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

std::vector<std::string> existing(const std::vector<std::string>& keys, const std::string& home) {
  std::vector<std::string> there;
  std::error_code ignored;
  for (const std::string& key : keys) {
    if (std::filesystem::exists(key.starts_with("~/") ? home + key.substr(1) : key, ignored)) there.push_back(key);
  }
  return there;
}

int print(const Options& options, const migrate::Command& command) {
  auto arguments = migrate::take_apart(command);
  if (!arguments) return complain(misused, arguments.error());
  auto effective = ask_ssh(arguments->for_ssh);
  if (!effective) return complain(failed, effective.error());
  auto defaults = ask_ssh({"-F", "/dev/null", (*effective)["hostname"].at(0)});
  if (!defaults) return complain(failed, defaults.error());
  migrate::Origin origin{options.import_name,
                         std::move(*effective),
                         std::move(*defaults),
                         command.environment,
                         std::move(arguments->monitor_port),
                         std::move(arguments->remote_command),
                         home(),
                         {}};
  origin.existing_keys = existing(origin.effective["identityfile"], origin.home);
  const auto translation = migrate::translate(origin);
  if (!translation) return complain(failed, translation.error());
  std::cout << translation->yaml << std::flush;
  for (const std::string& line : translation->dropped) std::cerr << "dropped  " << line << '\n';
  for (const std::string& line : translation->to_do) std::cerr << "to do    " << line << '\n';
  return done;
}

std::string standard_input() {
  return {std::istreambuf_iterator<char>{std::cin}, std::istreambuf_iterator<char>{}};
}

}  // namespace

int import_command(const Options& options) {
  const std::vector<std::string>& words = options.import_words;
  if (words.empty() && ::isatty(STDIN_FILENO) == 1) {
    return complain(misused, "what is to be imported? Put its command line behind --, or into standard input");
  }
  // A line in quotes, or a file.
  if (words.size() <= 1) {
    const auto command = migrate::find_command(words.empty() ? standard_input() : words.front());
    if (!command) return complain(misused, command.error());
    return print(options, *command);
  }
  migrate::Command command{true, {}, words};
  const std::string& first = words.front();
  const std::string program = first.substr(first.rfind('/') + 1);
  if (program == "autossh" || program == "ssh") {
    command.autossh = program == "autossh";
    command.arguments.erase(command.arguments.begin());
  }
  // As autossh itself has them.
  for (const char* name : {"AUTOSSH_POLL", "AUTOSSH_FIRST_POLL", "AUTOSSH_PORT", "AUTOSSH_GATETIME", "AUTOSSH_MAXSTART",
                           "AUTOSSH_MAXLIFETIME", "AUTOSSH_LOGFILE", "AUTOSSH_PIDFILE"}) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe)
    if (const char* value = std::getenv(name)) command.environment[name] = value;
  }
  return print(options, command);
}

int import_ssh_config(const Options& options) {
  migrate::Command command{false, {}, options.import_words};
  if (!options.ssh_config.empty()) {
    command.arguments.insert(command.arguments.begin(), {"-F", options.ssh_config});
  }
  return print(options, command);
}

/// /usr/bin/sidedoor runs `ssh -NT -F /etc/sidedoor/config $OPTIONS $REMOTE_SERVER`.
int import_sidedoor(const Options& options) {
  std::ifstream file{sidedoor_file};
  if (!file) return complain(failed, std::string{sidedoor_file} + " can't be read: is sidedoor configured here?");
  const std::string text{std::istreambuf_iterator<char>{file}, std::istreambuf_iterator<char>{}};
  const auto commands = migrate::shell_commands(text);
  if (!commands) return complain(failed, std::string{sidedoor_file} + ": " + commands.error());
  migrate::Command command{false, {}, {"-F", sidedoor_ssh_config}};
  std::string server;
  for (const migrate::Words& words : *commands) {
    for (const std::string& word : words) {
      if (word.starts_with("REMOTE_SERVER=")) server = word.substr(word.find('=') + 1);
      if (!word.starts_with("OPTIONS=")) continue;
      std::istringstream given{word.substr(word.find('=') + 1)};
      for (std::string option; given >> option;) command.arguments.push_back(option);
    }
  }
  if (!server.empty()) command.arguments.push_back(server);
  return print(options, command);
}

}  // namespace holdfast::cli
