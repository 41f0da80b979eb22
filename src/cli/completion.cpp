#include "cli/completion.hpp"

#include <algorithm>
#include <sstream>
#include <string_view>
#include <vector>

#include "holdfast/words.hpp"

namespace holdfast::cli {
namespace {

/// How an option, or an argument without a name, is completed.
struct Word {
  std::vector<std::string> names;  ///< "-c", "--config"; none: an argument
  std::string text;
  std::string type;  ///< of its value; empty: it has none

  bool is_file() const { return type == "FILE" || type == "PATH"; }
};

struct Command {
  std::string name;  ///< empty: before there is a command
  std::string text;
  std::vector<Word> words;
};

std::vector<Word> words_of(const CLI::App& app) {
  std::vector<Word> words;
  for (const CLI::Option* option : app.get_options()) {
    Word word{{}, option->get_description(), ""};
    for (const std::string& name : option->get_snames()) word.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) word.names.push_back("--" + name);
    if (option->get_items_expected_max() > 0) word.type = option->get_type_name();
    words.push_back(std::move(word));
  }
  return words;
}

std::vector<const CLI::App*> all_below(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* /*any*/) { return true; });
}

/// A command's own commands are its argument's choices, and their options its own.
std::vector<Word> words_with_commands(const CLI::App& app) {
  std::vector<Word> words = words_of(app);
  Word choice{{}, "Which", ""};
  for (const CLI::App* command : all_below(app)) {
    choice.type += (choice.type.empty() ? "" : "|") + command->get_name();
    for (Word& word : words_of(*command)) {
      const auto same = [&word](const Word& other) { return other.names == word.names; };
      const bool known = std::any_of(words.begin(), words.end(), same);
      if (!word.names.empty() && !known) words.push_back(std::move(word));
    }
  }
  if (!choice.type.empty()) words.push_back(std::move(choice));
  return words;
}

std::vector<Command> commands_of(const CLI::App& app) {
  std::vector<Command> commands{{"", "", words_of(app)}};
  for (const CLI::App* command : all_below(app)) {
    commands.push_back({command->get_name(), command->get_description(), words_with_commands(*command)});
  }
  return commands;
}

std::vector<std::string> choices_of(const Word& word) {
  std::vector<std::string> choices;
  if (word.type.find('|') == std::string::npos) return choices;
  std::istringstream type{word.type};
  for (std::string choice; std::getline(type, choice, '|');) choices.push_back(choice);
  return choices;
}

std::string escaped(std::string_view text, std::string_view special) {
  std::string kept;
  for (const char c : text) {
    if (special.find(c) != std::string_view::npos) kept += '\\';
    kept += c;
  }
  return kept;
}

// ---- bash -----------------------------------------------------------------------------------------------------------

std::vector<std::string> all_words(const Command& command) {
  std::vector<std::string> all;
  for (const Word& word : command.words) {
    all.insert(all.end(), word.names.begin(), word.names.end());
    const auto choices = word.names.empty() ? choices_of(word) : std::vector<std::string>{};
    all.insert(all.end(), choices.begin(), choices.end());
  }
  return all;
}

/// The options whose value is a file, or those that have any other value.
std::vector<std::string> with_value(const std::vector<Command>& commands, bool file) {
  std::vector<std::string> names;
  for (const Command& command : commands) {
    for (const Word& word : command.words) {
      if (!word.type.empty() && word.is_file() == file) names.insert(names.end(), word.names.begin(), word.names.end());
    }
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::string for_bash(const std::vector<Command>& commands) {
  const std::string files = joined(with_value(commands, true), "|");
  const std::string others = joined(with_value(commands, false), "|");
  std::vector<std::string> names;
  std::string cases;
  for (const Command& command : commands) {
    std::vector<std::string> words = all_words(command);
    if (command.name.empty()) {
      for (const Command& named : commands) {
        if (!named.name.empty()) words.push_back(named.name);
      }
    } else {
      names.push_back(command.name);
    }
    cases += "    " + (command.name.empty() ? "''" : command.name) + ") words='" + joined(words, " ") + "' ;;\n";
  }
  return R"(_holdfast() {
  local word=${COMP_WORDS[COMP_CWORD]} command='' words='' i
  COMPREPLY=()
  case ${COMP_WORDS[COMP_CWORD - 1]} in
    )" + files +
         R"()
      compopt -o filenames 2>/dev/null
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      return
      ;;
    )" + others +
         R"() return ;;
  esac
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${COMP_WORDS[i]} in
      )" +
         files + "|" + others + R"() i=$((i + 1)) ;;
      )" +
         joined(names, "|") +
         R"()
        command=${COMP_WORDS[i]}
        break
        ;;
    esac
  done
  case $command in
)" + cases +
         R"(  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _holdfast holdfast
)";
}

// ---- zsh ------------------------------------------------------------------------------------------------------------

/// In single quotes, and without what _arguments and _describe would take for their own.
std::string zsh_text(std::string_view text) {
  std::string kept;
  for (const char c : escaped(text, "[]:\\")) kept += c == '\'' ? std::string{"'\\''"} : std::string{c};
  return kept;
}

std::string zsh_value(const Word& word) {
  if (word.type.empty() && !word.names.empty()) return "";
  const std::string message = ":" + zsh_text(word.type.empty() ? word.text : word.type) + ":";
  if (word.is_file()) return message + "_files";
  const auto choices = choices_of(word);
  return choices.empty() ? message : message + "(" + joined(choices, " ") + ")";
}

std::string zsh_arguments(const Command& command) {
  std::string arguments;
  for (const Word& word : command.words) {
    const std::string names = joined(word.names, " ");
    if (word.names.empty()) {
      arguments += " \\\n    '1" + zsh_value(word) + "'";
      continue;
    }
    for (const std::string& name : word.names) {
      arguments.append(" \\\n    '(").append(names).append(")").append(name);
      arguments.append("[").append(zsh_text(word.text)).append("]").append(zsh_value(word)).append("'");
    }
  }
  return arguments;
}

std::string for_zsh(const std::vector<Command>& commands) {
  std::string described;
  std::string cases;
  std::string first;
  for (const Command& command : commands) {
    if (command.name.empty()) {
      first = zsh_arguments(command);
      continue;
    }
    described += "        '" + command.name + ":" + zsh_text(command.text) + "'\n";
    cases += "        " + command.name + ") _arguments -s" + zsh_arguments(command) + " ;;\n";
  }
  return R"(#compdef holdfast
_holdfast() {
  local curcontext=$curcontext state line
  local -a commands
  typeset -A opt_args
  _arguments -s -C)" +
         first + R"( \
    '1:command:->command' '*::argument:->rest'
  case $state in
    command)
      commands=(
)" + described +
         R"(      )
      _describe command commands
      ;;
    rest)
      case $words[1] in
)" + cases +
         R"(      esac
      ;;
  esac
}
compdef _holdfast holdfast
)";
}

// ---- fish -----------------------------------------------------------------------------------------------------------

std::string fish_text(std::string_view text) {
  return "'" + escaped(text, "'\\") + "'";
}

std::string for_fish(const std::vector<Command>& commands) {
  std::string script = "complete -c holdfast -f\n";
  for (const Command& command : commands) {
    const std::string when = command.name.empty() ? std::string{"__fish_use_subcommand"}
                                                  : "'__fish_seen_subcommand_from " + command.name + "'";
    const std::string line = "complete -c holdfast -n " + when;
    if (!command.name.empty())
      script +=
          "complete -c holdfast -n __fish_use_subcommand -a " + command.name + " -d " + fish_text(command.text) + "\n";
    for (const Word& word : command.words) {
      const auto choices = choices_of(word);
      std::string options;
      for (const std::string& name : word.names)
        options += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (word.is_file()) options += " -r -F";
      if (!word.type.empty() && !word.is_file() && !word.names.empty()) options += " -x";
      if (!choices.empty()) options += " -a " + fish_text(joined(choices, " "));
      if (!options.empty()) script += line + options + " -d " + fish_text(word.text) + "\n";
    }
  }
  return script;
}

}  // namespace

std::string completion(const CLI::App& app, const std::string& shell) {
  const std::vector<Command> commands = commands_of(app);
  if (shell == "bash") return for_bash(commands);
  if (shell == "zsh") return for_zsh(commands);
  if (shell == "fish") return for_fish(commands);
  return {};
}

}  // namespace holdfast::cli
