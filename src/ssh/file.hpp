#pragma once

#include <cstddef>
#include <string>
#include <tl/expected.hpp>

namespace holdfast::ssh {

/// The whole of a regular file of at most `limit` bytes, or the errno value that says why not (EFBIG, EINVAL for what
/// is no regular file). Never waits, as it would on a FIFO.
tl::expected<std::string, int> read_file(const std::string& path, std::size_t limit);

/// strerror(), without its static buffer.
std::string errno_text(int error);

}  // namespace holdfast::ssh
