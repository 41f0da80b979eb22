#pragma once

#include <string>

#include "cli/commands.hpp"

namespace holdfast::cli {

/// What to type instead of options of `doctor` that do not go together: one of them would be ignored. Empty: they do.
std::string misuse_of_doctor(const Options& options);

}  // namespace holdfast::cli
