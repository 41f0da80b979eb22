#pragma once

#include <string>

namespace holdfast::supervisor {

/// The daemon: loads the configuration, holds the tunnels and serves the status socket until SIGTERM or SIGINT.
/// Returns the exit code: 0 after an orderly stop, 1 when another one runs, 2 for a bad configuration.
int run(const std::string& config_path);

}  // namespace holdfast::supervisor
