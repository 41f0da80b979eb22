#pragma once

#include <string>
#include <vector>

namespace holdfast::bench {

struct Options {
  std::vector<std::string> faults;  ///< empty: all but those that take minutes
  std::vector<std::string> subjects{"ssh", "autossh", "holdfast"};
  unsigned runs = 1;
  unsigned jobs = 8;  ///< measurements at the same time, each in a lab of its own
  bool full = false;  ///< the long faults too, and with patience for sshd's defaults
  bool list = false;
  bool help = false;
  std::string json;      ///< file to write; empty: none
  std::string holdfast;  ///< the binary
};

/// Throws std::invalid_argument with a text for the user.
Options parse_options(const std::vector<std::string>& arguments, const std::string& holdfast_binary);
extern const char* const usage;

}  // namespace holdfast::bench
