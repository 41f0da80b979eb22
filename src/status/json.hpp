#pragma once

#include <string>
#include <tl/expected.hpp>

#include "holdfast/report.hpp"

namespace holdfast::status {

/// The document of GET /v1/status (docs/status.md), and back, for the command line.
std::string to_json(const Report& report);
tl::expected<Report, std::string> from_json(const std::string& text);

}  // namespace holdfast::status
