#pragma once

#include <iosfwd>

#include "cli/commands.hpp"

namespace holdfast::cli {

/// The tunnels that the options name, or those that are worth it. The exit status.
int examine(const Options& options, std::ostream& out);

/// Writes what somebody far away needs to help: what this command finds, the status, the configuration, the log of the
/// last hour and versions. No key is in it, and unless `options.plain` no name and no address.
int write_bundle(const Options& options);

}  // namespace holdfast::cli
