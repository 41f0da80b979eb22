#pragma once

#include <string>
#include <tl/expected.hpp>

/// Small files of the state directory: read once, written seldom and whole, and never trusted.
namespace holdfast::net {

/// At most 256 KiB of a regular file. The error says why there is none to be used; empty when there simply is no file.
tl::expected<std::string, std::string> read_file(const std::string& path);

/// 0, or the errno that says why the file could not be replaced; then it is what it was.
int replace_file(const std::string& path, const std::string& text);

}  // namespace holdfast::net
