#pragma once

#include <string>

#include "holdfast/report.hpp"

/// A report as monitoring reads it. Pure.
namespace holdfast::status {

/// The line of `holdfast health`, as the Monitoring Plugins guidelines want it:
/// "HOLDFAST OK - 1 of 1 tunnel up | tunnels_up=1;;;0;1 ...". Without a newline.
std::string plugin_line(const Report& report);

/// 0, 1, 2, 3: the exit status that goes with the line.
int plugin_exit_status(Health verdict);

/// "HOLDFAST CRITICAL - text": the line when there is no report. `|` and line breaks in the text are replaced.
std::string plugin_line(Health verdict, const std::string& text);

}  // namespace holdfast::status
