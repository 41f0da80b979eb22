#pragma once

#include <string>
#include <tl/expected.hpp>

#include "setup/words.hpp"

namespace holdfast::setup {

struct Installed {
  enum class How { added, there, differs };
  How how{};
  std::string line{};  ///< of the key, as it is there; only if it differs
};

struct NotInstalled {
  std::string why;       ///< and what to do
  bool by_hand = false;  ///< the same again would not help
};

/// Runs install_script() on the relay through a login that is there already: the device's own ssh, with the keys, the
/// agent and the passwords of whoever runs this. It takes no other host key than that of `known_line`, a line of
/// known_hosts. What ssh says, and the passwords that it asks for, go over the terminal.
tl::expected<Installed, NotInstalled> install_key(const Login& login, const std::string& known_line,
                                                  const std::string& script);

}  // namespace holdfast::setup
