#pragma once

#include <optional>
#include <string>

#include "cli/commands.hpp"

/// What `holdfast init` finds on this device: who runs it, and where things go.
namespace holdfast::cli::steps {

std::string variable(const char* name);
/// Who sits at the device, also behind sudo.
std::string user_name();
std::string host_name();
bool exists(const std::string& path);

/// Where all of it goes.
struct Places {
  enum class Kind {
    service,  ///< root's: the unit hands the key over, and another user writes the state
    user,     ///< a user's own, with a unit of the user's
    named,    ///< by --config-dir: whoever runs it there starts it
  };
  Kind kind{};
  std::string config_folder;
  std::string state_folder;

  std::string main_file() const { return config_folder + "/holdfast.yaml"; }
  std::string drop_in(const std::string& name) const { return config_folder + "/conf.d/" + name + ".yaml"; }
  std::string key() const { return config_folder + "/id_ed25519"; }
  std::string known_hosts() const { return state_folder + "/known_hosts"; }
  bool is_service() const { return kind == Kind::service; }

  /// For who starts it by hand. `only`: a tunnel; empty: all.
  std::string foreground(const std::string& only) const;
};

/// None for a system user, and one without HOME, unless the options name them.
std::optional<Places> find_places(const InitOptions& options);

}  // namespace holdfast::cli::steps
