#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "migrate/shell_words.hpp"

namespace holdfast::migrate {

/// What a tunnel is held by today.
struct Command {
  bool autossh = false;   ///< else ssh itself
  Variables environment;  ///< set for it, autossh's variables among them
  Words arguments;
  std::string user;       ///< whom it is run as, if that is said: sudo -u, su, User= of a unit
  bool password = false;  ///< sshpass gives one
  Words left_out{};       ///< of what runs it, and why; a line each

  friend bool operator==(const Command&, const Command&) = default;
};

/// A file's content, if it can be read: of a unit's EnvironmentFile=.
using ReadFile = std::function<std::optional<std::string>(const std::string&)>;
/// Finds it in a command line, a crontab's line, a systemd unit or a script. The error says what is in the way: none,
/// or more than one, or what only a shell knows.
tl::expected<Command, std::string> find_command(
    std::string_view text, const ReadFile& read = [](const auto&) { return std::nullopt; });
/// Finds it in words that a shell has split already.
std::optional<Command> command_in(const Words& words);

/// An autossh or ssh command line, taken apart as getopt(3) does.
struct SshArguments {
  Words for_ssh;                            ///< what `ssh -G` takes: options and the destination
  std::optional<std::string> monitor_port;  ///< autossh's -M
  Words remote_command;
  Words left_out;  ///< and why; a line each
};
/// The error names an option without its value, or says that the relay is missing.
tl::expected<SshArguments, std::string> take_apart(const Command& command);

}  // namespace holdfast::migrate
