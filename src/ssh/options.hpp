#pragma once

#include <optional>
#include <string>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "ssh/handles.hpp"

namespace holdfast::ssh {

/// Makes a fresh session use the connected `descriptor` and the spec's algorithms, and read no file, no environment
/// and no passwd entry by itself. `known_hosts` is the file's text. A name that libssh does not know is a local_error
/// that says which.
std::optional<Failure> apply_options(ssh_session session, int descriptor, const TunnelSpec& spec,
                                     const std::string& known_hosts);

/// Whether a session could be made with the spec's algorithms; the failure's subject is the key that names a wrong one.
std::optional<Failure> try_algorithms(const TunnelSpec& spec);

}  // namespace holdfast::ssh
