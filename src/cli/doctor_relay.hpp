#pragma once

#include <iosfwd>

#include "cli/commands.hpp"

namespace holdfast::cli {

/// Says what is wrong with how a relay is set up, and shows how it should be. The exit status.
int audit_relay(const Options& options, std::ostream& out);

}  // namespace holdfast::cli
