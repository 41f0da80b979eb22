#pragma once

#include <chrono>
#include <tl/expected.hpp>

#include "holdfast/config.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/public_key.hpp"

namespace holdfast::ssh {

/// The host key that the relay shows in a key exchange over a connected socket, which is left to the caller, and then
/// no more: nobody logs in. Blocks, no longer than `limit` for the banner and the key exchange together. A failure also
/// if `spec.user_known_hosts_file` holds another key of the relay's, revokes this one, or can't be read.
tl::expected<ShownHostKey, Failure> look_at_host_key(int connected, const TunnelSpec& spec, std::chrono::seconds limit);

}  // namespace holdfast::ssh
