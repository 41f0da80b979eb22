#include "migrate/command_line.hpp"

#include <algorithm>
#include <cctype>
#include <vector>

namespace holdfast::migrate {
namespace {

using Found = tl::expected<std::vector<Command>, std::string>;

std::string_view program_of(std::string_view word) {
  const auto slash = word.rfind('/');
  return slash == std::string_view::npos ? word : word.substr(slash + 1);
}

/// NAME=value
bool is_assignment(const std::string& word) {
  const auto equals = word.find('=');
  return equals != std::string::npos && equals > 0 &&
         std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(equals),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

void assign(Variables& environment, const std::string& word) {
  const auto equals = word.find('=');
  environment[word.substr(0, equals)] = word.substr(equals + 1);
}

bool is_program(std::string_view word) {
  const std::string_view program = program_of(word);
  return program == "autossh" || program == "ssh";
}

/// sudo -u NAME, su NAME, su - NAME
std::string user_in(const Words& words, std::size_t end) {
  for (std::size_t index = 0; index + 1 < end; ++index) {
    const std::string_view program = program_of(words[index]);
    if (program == "sudo" && words[index + 1] == "-u" && index + 2 < end) return words[index + 2];
    if (program != "su") continue;
    const std::size_t name = index + (words[index + 1] == "-" || words[index + 1] == "-l" ? 2 : 1);
    if (name < end && !words[name].starts_with('-')) return words[name];
  }
  return "";
}

Found commands_in(std::string_view line, const Variables& known) {
  const auto split = shell_commands(line, known);
  if (!split) return tl::unexpected(split.error());
  std::vector<Command> found;
  for (const Words& words : *split) {
    if (auto command = command_in(words)) {
      found.push_back(std::move(*command));
      continue;
    }
    // sh -c 'autossh ...', su -c "...", screen
    for (const std::string& word : words) {
      if (word.find("ssh ") == std::string::npos) continue;
      Found inner = commands_in(word, known);
      if (!inner) return inner;
      for (Command& command : *inner) {
        if (command.user.empty()) command.user = user_in(words, words.size());
      }
      found.insert(found.end(), inner->begin(), inner->end());
    }
  }
  return found;
}

std::string trimmed(std::string_view line) {
  const auto begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return "";
  return std::string{line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin)};
}

/// Lines, where a backslash at the end joins the next one to it.
std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  std::string line;
  const auto end = [&] {
    lines.push_back(trimmed(line));
    line.clear();
  };
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] == '\n') {
      line += ' ';
      ++at;
    } else if (text[at] == '\n') {
      end();
    } else {
      line += text[at];
    }
  }
  end();
  return lines;
}

/// "ExecStart=-/usr/bin/autossh ..." without what is systemd's.
std::optional<std::string> value_of(const std::string& line, std::string_view key) {
  if (!line.starts_with(key)) return std::nullopt;
  return line.substr(std::min(line.find_first_not_of("@-:+!|", key.size()), line.size()));
}

/// "%h"; "%%" is a '%'.
std::optional<std::string> specifier_in(const std::string& command) {
  for (auto at = command.find('%'); at != std::string::npos; at = command.find('%', at + 2)) {
    if (at + 1 < command.size() && std::isalpha(static_cast<unsigned char>(command[at + 1])) != 0) {
      return command.substr(at, 2) + " is known to systemd only: write what it stands for";
    }
  }
  return std::nullopt;
}

/// "NAME=value NAME='another value'"; answers what is in the way.
std::optional<std::string> assign_all(Variables& environment, const std::string& text) {
  const auto split = shell_commands(text, environment);
  if (!split) return split.error();
  for (const Words& words : *split) {
    for (const std::string& word : words) {
      if (is_assignment(word)) assign(environment, word);
    }
  }
  return std::nullopt;
}

/// A line is NAME=value to its end, in quotes or not, and nothing in it is expanded (systemd.exec(5)).
Variables environment_file(std::string_view text) {
  Variables environment;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with('#') || line.starts_with(';') || !is_assignment(line)) continue;
    const auto equals = line.find('=');
    std::string value = trimmed(std::string_view{line}.substr(equals + 1));
    const bool quoted =
        value.size() >= 2 && value.front() == value.back() && (value.front() == '"' || value.front() == '\'');
    if (quoted) value = value.substr(1, value.size() - 2);
    environment[trimmed(std::string_view{line}.substr(0, equals))] = value;
  }
  return environment;
}

/// What a unit sets for its command, wherever in it that stands.
struct Surroundings {
  Variables environment;
  std::string user;
  Words left_out;
};

tl::expected<Surroundings, std::string> surroundings_of(const std::vector<std::string>& lines, const ReadFile& read) {
  Surroundings all;
  Variables of_files;
  for (const std::string& line : lines) {
    if (const auto named = value_of(line, "User=")) all.user = *named;
    if (const auto set = value_of(line, "Environment=")) {
      if (const auto problem = assign_all(all.environment, *set)) return tl::unexpected(*problem);
    }
    const auto file = value_of(line, "EnvironmentFile=");
    if (!file || file->empty()) continue;
    const auto content = specifier_in(*file) ? std::nullopt : read(*file);
    if (!content) all.left_out.push_back("EnvironmentFile=" + *file + ": it can't be read here");
    for (const auto& [name, value] : environment_file(content.value_or(""))) of_files[name] = value;
  }
  // Files count for more than Environment=, as they do to systemd.
  of_files.merge(all.environment);
  all.environment = std::move(of_files);
  return all;
}

bool takes_value(char option, bool autossh) {
  if (option == 'M') return autossh;
  return std::string_view{"BbcDEeFIiJLlmOoPpQRSWw"}.find(option) != std::string_view::npos;
}

}  // namespace

/// Whatever runs it (cron's fields, env, sudo, nohup, setsid, docker, ...) stands before it.
std::optional<Command> command_in(const Words& words) {
  Command command;
  for (std::size_t index = 0; index < words.size(); ++index) {
    if (program_of(words[index]) == "sshpass") command.password = true;
    // What is looked for (pgrep autossh), or the name of an image.
    const bool last = index + 1 == words.size();
    if (is_program(words[index]) && !last && !is_program(words[index + 1])) {
      command.autossh = program_of(words[index]) == "autossh";
      command.arguments.assign(words.begin() + static_cast<std::ptrdiff_t>(index) + 1, words.end());
      command.user = user_in(words, index);
      return command;
    }
    if (is_assignment(words[index])) assign(command.environment, words[index]);
  }
  return std::nullopt;
}

tl::expected<Command, std::string> find_command(std::string_view text, const ReadFile& read) {
  const std::vector<std::string> lines = lines_of(text);
  const bool unit =
      std::any_of(lines.begin(), lines.end(), [](const auto& line) { return line.starts_with("ExecStart="); });
  auto surroundings = unit ? surroundings_of(lines, read) : Surroundings{};
  if (!surroundings) return tl::unexpected(surroundings.error());
  Variables& environment = surroundings->environment;
  std::vector<Command> found;
  for (const std::string& line : lines) {
    if (line.starts_with('#')) continue;
    if (!unit && is_assignment(line)) {
      if (const auto problem = assign_all(environment, line)) return tl::unexpected(*problem);
    }
    std::string command = line;
    if (unit) {
      command = value_of(line, "ExecStart=").value_or("");
      if (const auto specifier = specifier_in(command)) return tl::unexpected(*specifier);
    }
    if (command.find("ssh") == std::string::npos) continue;
    Found here = commands_in(command, environment);
    if (!here) return tl::unexpected(here.error());
    found.insert(found.end(), here->begin(), here->end());
  }
  if (found.empty()) return tl::unexpected<std::string>("there is no autossh or ssh in it");
  if (found.size() > 1) return tl::unexpected<std::string>("it runs ssh more than once: give one command at a time");
  Command command = std::move(found.front());
  command.environment.merge(environment);
  if (command.user.empty()) command.user = surroundings->user;
  command.left_out = std::move(surroundings->left_out);
  return command;
}

tl::expected<SshArguments, std::string> take_apart(const Command& command) {
  SshArguments taken;
  bool destination = false;
  for (std::size_t index = 0; index < command.arguments.size(); ++index) {
    const std::string& word = command.arguments[index];
    if (word.size() < 2 || word[0] != '-') {
      // After the destination there may be options still; what comes next is a command for the relay.
      if (destination) {
        taken.remote_command.assign(command.arguments.begin() + static_cast<std::ptrdiff_t>(index),
                                    command.arguments.end());
        break;
      }
      destination = true;
      taken.for_ssh.push_back(word);
      continue;
    }
    if (word == "--") continue;
    std::string flags = "-";
    for (std::size_t at = 1; at < word.size(); ++at) {
      const char option = word[at];
      if (!takes_value(option, command.autossh)) {
        // autossh's own: it goes to the background itself, and tells its version.
        if (!command.autossh || (option != 'f' && option != 'V')) flags += option;
        continue;
      }
      std::string value = word.substr(at + 1);
      if (value.empty()) {
        if (index + 1 == command.arguments.size())
          return tl::unexpected("-" + std::string(1, option) + " lacks its value");
        value = command.arguments[++index];
      }
      if (option == 'M') {
        taken.monitor_port = value;
      } else if (option == 'E') {
        // Nor may `ssh -G` make the file.
        taken.left_out.push_back("-E " + value + ": the log is in the journal: journalctl -u holdfast");
      } else {
        taken.for_ssh.push_back("-" + std::string(1, option));
        taken.for_ssh.push_back(value);
      }
      break;
    }
    if (flags.size() > 1) taken.for_ssh.push_back(flags);
  }
  if (!destination) return tl::unexpected<std::string>("it names no relay (user@host)");
  return taken;
}

}  // namespace holdfast::migrate
