#pragma once

#include <string>
#include <tl/expected.hpp>

#include "setup/words.hpp"

namespace holdfast::setup {

enum class Installed { added, there, differs };

/// Runs install_script() on the relay through a login that is there already: the device's own ssh, with the keys, the
/// agent and the passwords of whoever runs this, which takes the relay's host key from `known_hosts` only. What ssh
/// says, and the passwords that it asks for, go over the terminal. The error says what to do.
tl::expected<Installed, std::string> install_key(const Login& login, const std::string& known_hosts,
                                                 const std::string& script);

}  // namespace holdfast::setup
