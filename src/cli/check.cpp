#include <iostream>

#include "cli/commands.hpp"
#include "config/load.hpp"
#include "supervisor/configuration.hpp"

namespace holdfast::cli {

int check(const Options& options) {
  const std::string file = options.config.value_or(default_config);
  const auto loaded = supervisor::load_configuration(file, config::files_outside_service());
  if (!loaded) {
    for (const config::Problem& problem : loaded.error()) std::cerr << config::to_string(problem) << '\n';
    const std::size_t count = loaded.error().size();
    std::cerr << "holdfast: " << file << " can't be used: " << count << (count == 1 ? " problem\n" : " problems\n");
    return misused;
  }
  for (const std::string& warning : supervisor::warnings(*loaded)) std::cerr << "warning: " << warning << '\n';
  std::cout << config::to_yaml(loaded->config);
  return done;
}

}  // namespace holdfast::cli
