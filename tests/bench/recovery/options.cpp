#include "recovery/options.hpp"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace holdfast::bench {
namespace {

std::vector<std::string> split(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream stream(list);
  for (std::string word; std::getline(stream, word, ',');) {
    words.push_back(word);
  }
  return words;
}

unsigned count(const std::string& option, const std::string& text) {
  const bool digits = !text.empty() && text.size() < 4 && text.find_first_not_of("0123456789") == std::string::npos;
  if (!digits || std::stoul(text) == 0) {
    throw std::invalid_argument(option + " needs a number from 1 to 999, not '" + text + "'");
  }
  return static_cast<unsigned>(std::stoul(text));
}

}  // namespace

const char* const usage = R"(usage: bench_recovery [OPTION...]
How long each program takes to be back after each fault, in the network lab (tests/lab/README.md). Needs root.

  --faults A,B      only these (see --list)
  --subjects A,B    among ssh, autossh, holdfast (all)
  --runs N          repeat each measurement, interleaved; the table has the medians (1)
  --jobs N          measurements at the same time; those of fractions of a second always run alone (8)
  --full            the faults that take minutes too, and patience for sshd's defaults: 200 s instead of 45 s
  --json FILE       write every single value there
  --holdfast PATH   the binary (the one of this build)
  --list            the faults, and nothing else
)";

Options parse_options(const std::vector<std::string>& arguments, const std::string& holdfast_binary) {
  Options options;
  options.holdfast = holdfast_binary;
  for (auto word = arguments.begin(); word != arguments.end(); ++word) {
    const auto value = [&]() -> const std::string& {
      if (word + 1 == arguments.end()) {
        throw std::invalid_argument(*word + " needs a value");
      }
      return *++word;
    };
    const std::string option = *word;
    if (option == "--faults") {
      options.faults = split(value());
    } else if (option == "--subjects") {
      options.subjects = split(value());
    } else if (option == "--runs") {
      options.runs = count(option, value());
    } else if (option == "--jobs") {
      options.jobs = count(option, value());
    } else if (option == "--json") {
      options.json = value();
    } else if (option == "--holdfast") {
      options.holdfast = value();
    } else if (option == "--full") {
      options.full = true;
    } else if (option == "--list") {
      options.list = true;
    } else if (option == "--help" || option == "-h") {
      options.help = true;
    } else {
      throw std::invalid_argument("unknown option '" + option + "'");
    }
  }
  return options;
}

}  // namespace holdfast::bench
