#include "cli/places.hpp"

#include <unistd.h>

#include <cstdlib>

namespace holdfast::cli {
namespace {

constexpr uid_t first_user = 1000;  // FIRST_UID, adduser.conf(5)

std::string own_folder(const char* variable, const std::string& below_home) {
  if (::geteuid() < first_user) return "";
  // One thread: NOLINTBEGIN(concurrency-mt-unsafe)
  const char* given = std::getenv(variable);
  const char* home = std::getenv("HOME");
  // NOLINTEND(concurrency-mt-unsafe)
  if (given != nullptr && *given == '/') return std::string{given} + "/holdfast";
  return home != nullptr && *home == '/' ? home + below_home + "/holdfast" : "";
}

}  // namespace

std::string own_config_folder() {
  return own_folder("XDG_CONFIG_HOME", "/.config");
}

std::string own_state_folder() {
  return own_folder("XDG_STATE_HOME", "/.local/state");
}

std::string default_config() {
  const std::string folder = own_config_folder();
  const std::string file = folder + "/holdfast.yaml";
  return !folder.empty() && ::access(file.c_str(), F_OK) == 0 ? file : service_config;
}

}  // namespace holdfast::cli
