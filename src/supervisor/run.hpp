#pragma once

#include <string>

namespace holdfast::supervisor {

/// The daemon: loads the configuration, holds the tunnels and serves its sockets until SIGTERM or SIGINT.
/// With `only` it holds that tunnel alone (supervisor/share.hpp). With `recording`, the path of a file that is not
/// there yet, it writes down what its tunnels' state machines decide (record/recording.hpp). Returns the exit code: 0
/// after an orderly stop, 1 when another one runs that holds one of its tunnels, EX_CONFIG for a bad configuration or a
/// tunnel that it does not have.
int run(const std::string& config_path, const std::string& only, const std::string& recording);

}  // namespace holdfast::supervisor
