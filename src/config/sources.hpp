#pragma once

#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "config/load.hpp"

namespace holdfast::config {

/// A file's text, no longer than a document may be and one byte more. Waits for a writer if it is a pipe, but not for
/// long.
tl::expected<std::string, Problems> read_text(const std::string& path);

struct Sources {
  std::vector<Source> files;  ///< the main file first
  Problems warnings;          ///< of what lies beside and is not read
};

/// The texts that load() reads.
tl::expected<Sources, Problems> read_sources(const std::string& path, const std::vector<Source>& planned);

/// 64 bits in hexadecimal.
std::string digest_of(const std::vector<Source>& sources);

}  // namespace holdfast::config
