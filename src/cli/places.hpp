#pragma once

#include <string>

namespace holdfast::cli {

inline constexpr const char* service_config = "/etc/holdfast/holdfast.yaml";

/// A user's own, who holds tunnels without root: ~/.config/holdfast and ~/.local/state/holdfast, or where
/// XDG_CONFIG_HOME and XDG_STATE_HOME say. Empty for root and for system users, of whom the service is one.
std::string own_config_folder();
std::string own_state_folder();

/// The configuration where none is named: the user's own holdfast.yaml if there is one, else the service's.
std::string default_config();

}  // namespace holdfast::cli
