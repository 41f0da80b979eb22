#pragma once

#include <iosfwd>

#include "cli/commands.hpp"

namespace holdfast::cli {

/// How long an idle connection to a tunnel's relay is kept, by whatever lies between. The exit status.
int measure_nat_timeout(const Options& options, std::ostream& out);

}  // namespace holdfast::cli
