#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "cli/commands.hpp"
#include "cli/init/device.hpp"
#include "setup/words.hpp"

namespace holdfast::cli::steps {

/// Why a step failed, and what to type next; its earlier ones stay done.
struct Stopped {
  std::string why;
  std::string next{};  ///< a command; empty: this one again
};

/// What the command line of `holdfast init` asks for, and how its steps speak of it.
class Wish {
 public:
  explicit Wish(InitOptions given) : options(std::move(given)) {}

  /// Asks for what is missing. What is wrong with the command line; the rest is for after that.
  std::optional<std::string> understand();

  /// This command, with what was answered meanwhile.
  std::string again(const std::string& more = "") const;
  std::string without_install_key() const;
  std::string without_pins() const;
  /// This command for another tunnel, beside the one that is there.
  std::string with_other_name() const;
  void say(const std::string& step, const std::string& text) const;

  InitOptions options;
  Places places;
  setup::NewTunnel tunnel;
};

/// At the terminal.
std::string ask_for(const std::string& what, const std::string& usual);

}  // namespace holdfast::cli::steps
