#pragma once

#include <string>
#include <vector>

namespace holdfast::bench {

struct Options {
  std::vector<std::string> rows;  ///< names, or beginnings of names; empty: all
  unsigned runs = 5;
  unsigned size_mb = 256;  ///< of a bulk transfer, in 10^6 bytes
  std::string json;        ///< file to write; empty: none
  std::string holdfast;    ///< the binary
  bool list = false;
  bool help = false;
};

/// Throws std::invalid_argument with a text for the user.
Options parse_options(const std::vector<std::string>& arguments, const std::string& holdfast_binary);
extern const char* const usage;

}  // namespace holdfast::bench
