#pragma once

#include <chrono>
#include <string>
#include <tl/expected.hpp>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/public_key.hpp"

namespace holdfast::setup {

/// Resolves, connects and exchanges keys, as a tunnel would, and leaves. Blocks, no longer than `limit` until it is
/// connected, and as long again for what follows.
tl::expected<ShownHostKey, Failure> look_at_relay(const TunnelSpec& spec, std::chrono::seconds limit);

/// Whether somebody takes connections there, as seen within two seconds.
bool listens(const TcpTarget& target);

/// Adds a host key's line to known_hosts. Empty, or why not: "FILE: why".
std::string remember(const std::string& known_hosts, const std::string& line);

}  // namespace holdfast::setup
