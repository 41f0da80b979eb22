#pragma once

#include <string>

#include "holdfast/failure.hpp"

namespace holdfast::cli {

/// Nobody holds the tunnel of this configuration: Cause::not_running where a service should, by what systemd says of
/// it; Cause::not_started where none is meant to, as with a configuration that is only tried.
Failure held_by_nobody(const std::string& tunnel, const std::string& config);

/// A holdfast runs, and does not answer at its status socket; `why` is what came of it.
Failure held_by_silent_service(const std::string& tunnel, const std::string& config, const std::string& why);

}  // namespace holdfast::cli
