#pragma once

#include <optional>
#include <string>

#include "config/load.hpp"

namespace holdfast::cli {

/// The configuration, and on standard error what `check` warns of. None if it can't be used; then that says why.
std::optional<config::Loaded> find_faults(const std::string& file);

}  // namespace holdfast::cli
