#pragma once

#include <string>
#include <vector>

#include "config/load.hpp"

/// What of a configuration only the libraries can judge, beside what config/ finds by reading it.
namespace holdfast::preflight {

/// config::load(), and no algorithm in it that libssh does not know: such a tunnel could never come up.
tl::expected<config::Loaded, config::Problems> load_configuration(const std::string& path,
                                                                  const config::Files& files = config::system_files());

/// What is wrong with a configuration that can be used: what its loading told, a libssh that has to be upgraded, and
/// what that can't do for it.
std::vector<std::string> warnings(const config::Loaded& loaded);

}  // namespace holdfast::preflight
