#pragma once

#include <string>
#include <vector>

#include "config/load.hpp"

namespace holdfast::supervisor {

/// The daemon: loads the configuration, holds the tunnels and serves the status socket until SIGTERM or SIGINT.
/// Returns the exit code: 0 after an orderly stop, 1 when another one runs, 2 for a bad configuration.
int run(const std::string& config_path);

/// What is wrong with a configuration that can be used: what its loading told, and what the libraries can't do for it.
std::vector<std::string> warnings(const config::Loaded& loaded);

}  // namespace holdfast::supervisor
