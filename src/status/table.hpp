#pragma once

#include <string>

#include "holdfast/report.hpp"

/// A report as people read it. Pure.
namespace holdfast::status {

enum class Colour { no, ansi };

/// The table of `holdfast status`: a row for each forward, and below each tunnel what is worth knowing of it.
std::string table(const Report& report, Colour colour);

}  // namespace holdfast::status
