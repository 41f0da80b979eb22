#pragma once

#include <optional>
#include <string>

#include "cli/init/plan.hpp"
#include "cli/init/wish.hpp"
#include "setup/key.hpp"

namespace holdfast::cli::steps {

/// Whose host key has to be known, pinned or confirmed. Returns the known_hosts line of the one that it shows.
std::string meet_relay(const Wish& wish, const Plan& plan);
/// The line that the relay needs, and with --install-key puts it there. `key`: none before it is made, in a dry run.
void show_line(const Wish& wish, const Plan& plan, const std::optional<setup::Key>& key, const std::string& known_line);

}  // namespace holdfast::cli::steps
