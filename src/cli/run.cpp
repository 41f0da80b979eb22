#include "supervisor/run.hpp"

#include "cli/commands.hpp"
#include "cli/daemon.hpp"

namespace holdfast::cli {

int run(const Options& options) {
  if (options.socket)
    return complain(misused, "run makes the socket that status_socket.path names in the configuration");
  return supervisor::run(options.config.value_or(default_config), options.only);
}

}  // namespace holdfast::cli
