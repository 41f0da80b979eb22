#pragma once

#include <string>
#include <tl/expected.hpp>

#include "holdfast/report.hpp"

namespace holdfast::status {

/// The document of GET /v1/status (docs/status.md), and back, for the command line.
std::string to_json(const Report& report);
/// Keys that we don't know are ignored, and a cause that we don't know becomes `local_error` with its name in the
/// detail: the daemon may be newer. The error is a sentence.
tl::expected<Report, std::string> from_json(const std::string& text);

/// The text of a {"error": "..."} body; of any other body, the body.
std::string error_text(const std::string& body);

}  // namespace holdfast::status
