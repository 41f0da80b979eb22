#pragma once

#include <string>
#include <tl/expected.hpp>

/// Small files of the state directory: read once, written seldom and whole, and never trusted.
namespace holdfast::net {

/// At most 256 KiB of a regular file. The error says why there is none to be used; empty when there simply is no file.
/// For the start, before there is a loop: waits for a disk that does not answer, but no longer than two seconds.
tl::expected<std::string, std::string> read_file(const std::string& path);

/// 0, or the errno that says why the file could not be replaced; then it is what it was. Not for the loop: see Disk.
int replace_file(const std::string& path, const std::string& text);
/// replace_file() for the start: ETIMEDOUT if the disk does not answer within two seconds.
int replace_file_soon(const std::string& path, const std::string& text);

}  // namespace holdfast::net
