#include "recovery/options.hpp"

#include <stdexcept>

#include "arguments.hpp"

namespace holdfast::bench {
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
