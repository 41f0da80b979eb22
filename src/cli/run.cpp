#include "supervisor/run.hpp"

#include "cli/commands.hpp"

namespace holdfast::cli {

int run(const Options& options) {
  return supervisor::run(options.config.value_or(default_config));
}

}  // namespace holdfast::cli
