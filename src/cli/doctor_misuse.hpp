#pragma once

#include <string>

#include "cli/commands.hpp"

namespace holdfast::cli {

/// Of options of `doctor` that do not go together, of which one would be ignored: what to type instead. Empty: they do.
std::string misuse_of_doctor(const Options& options);

}  // namespace holdfast::cli
