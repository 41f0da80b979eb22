#include "supervisor/run.hpp"

#include <cstdlib>

#include "cli/commands.hpp"
#include "cli/daemon.hpp"
#include "cli/places.hpp"

namespace holdfast::cli {

int run(const Options& options) {
  if (options.socket)
    return complain(misused, "run makes the socket that status_socket.path names in the configuration");
  const std::string file = options.config.value_or(default_config());
  // What systemd makes for the service, a user has to have elsewhere.
  if (const std::string folder = own_config_folder(); !folder.empty() && file == folder + "/holdfast.yaml")
    ::setenv("STATE_DIRECTORY", own_state_folder().c_str(), 0);  // NOLINT(concurrency-mt-unsafe): one thread
  return supervisor::run(file, options.only, options.recording);
}

}  // namespace holdfast::cli
