#include "traffic/options.hpp"

#include <stdexcept>

#include "arguments.hpp"

namespace holdfast::bench {

const char* const usage = R"(usage: bench_traffic [OPTION...]
What a byte costs: holdfast beside `ssh -N -R`, measured in turn against the same sshd. Builds nothing. The rows whose
names begin with "lab-" need root, and are left out without it.

  --rows A,B        only these, or those that begin with A- or B- (see --list)
  --runs N          pairs of measurements for each row (5)
  --size MB         of a bulk transfer (256); less where the way is slow
  --json FILE       write every single value there
  --holdfast PATH   the binary (the one of this build)
  --list            the rows, and nothing else
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
    if (option == "--rows") {
      options.rows = split(value());
    } else if (option == "--runs") {
      options.runs = count(option, value());
    } else if (option == "--size") {
      options.size_mb = count(option, value(), 100'000);
    } else if (option == "--json") {
      options.json = value();
    } else if (option == "--holdfast") {
      options.holdfast = value();
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
