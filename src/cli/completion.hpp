#pragma once

#include <CLI/App.hpp>
#include <string>

namespace holdfast::cli {

/// The shells that completion() knows, as the command line names them.
inline constexpr const char* completed_shells = "bash|zsh|fish";

/// What makes `shell` complete the app's commands and options: a script to be sourced. Values are completed by their
/// type's name: FILE and PATH are files, "one|two" is one of these, anything else is not completed. Empty: no such
/// shell.
std::string completion(const CLI::App& app, const std::string& shell);

}  // namespace holdfast::cli
