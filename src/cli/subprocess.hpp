#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace holdfast::cli {

struct Finished {
  int exit_status = 0;  ///< 128 + the signal that ended it
  std::string output;
  std::string errors;
};

/// Runs a program of the PATH to its end, with nothing to read. The error: "ssh: No such file or directory".
tl::expected<Finished, std::string> run_program(const std::vector<std::string>& command);

}  // namespace holdfast::cli
