#include "cli/init/device.hpp"

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "cli/places.hpp"
#include "config/load.hpp"
#include "config/wording.hpp"

namespace holdfast::cli::steps {

// One thread: NOLINTBEGIN(concurrency-mt-unsafe)
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string user_name() {
  if (std::string user = variable("SUDO_USER"); !user.empty()) return user;
  const passwd* entry = ::getpwuid(::getuid());
  return entry != nullptr ? entry->pw_name : "USER";
}
// NOLINTEND(concurrency-mt-unsafe)

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "device";
}

bool exists(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

std::string Places::foreground(const std::string& only) const {
  std::string run = "holdfast run" + (only.empty() ? "" : " --only " + only);
  switch (kind) {
    case Kind::service:
      return "mkdir -p /run/holdfast" + (only.empty() ? "" : "/only/" + only) +
             " && CREDENTIALS_DIRECTORY=" + config_folder + " " + run;
    case Kind::user:
      return run;
    case Kind::named:
      return "STATE_DIRECTORY=" + config::shell_word(state_folder) + " " + run + " -c " +
             config::shell_word(main_file());
  }
  std::abort();
}

std::optional<Places> find_places(const InitOptions& options) {
  if (!options.config_dir.empty()) {
    return Places{Places::Kind::named, std::filesystem::absolute(options.config_dir).lexically_normal(),
                  std::filesystem::absolute(options.state_dir).lexically_normal()};
  }
  if (::geteuid() == 0) {
    return Places{Places::Kind::service, std::filesystem::path{service_config}.parent_path(),
                  config::default_state_directory};
  }
  if (own_config_folder().empty()) return std::nullopt;
  return Places{Places::Kind::user, own_config_folder(), own_state_folder()};
}

}  // namespace holdfast::cli::steps
