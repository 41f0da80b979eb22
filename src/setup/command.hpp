#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace holdfast::setup {

struct Ended {
  int exit_status = 0;  ///< 255 if a signal ended it
  std::string output;   ///< the first 64 KiB of standard output
};

/// Runs a program, which is looked up in PATH, to its end; its standard error is ours. The error is an errno: ENOENT if
/// there is no such program. `input` is at most 64 KiB, what a pipe holds (pipe(7)).
tl::expected<Ended, int> run(const std::vector<std::string>& command, const std::string& input = "");

}  // namespace holdfast::setup
