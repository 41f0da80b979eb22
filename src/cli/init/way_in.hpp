#pragma once

#include <string>

#include "cli/init/wish.hpp"

namespace holdfast::cli::steps {

/// What to install where the tunnel is to lead to this device's sshd, and there is none; else empty.
std::string missing_server(const Wish& wish);
void tell_how_to_log_in(const Wish& wish);

}  // namespace holdfast::cli::steps
