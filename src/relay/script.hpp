#pragma once

#include <string>
#include <string_view>

namespace holdfast::relay {

/// lease.sh, as written: for `holdfast relay-script`, to be installed as a forced command.
std::string_view script();

/// What an exec request carries: the script on one line, quoted so that any login shell hands it to /bin/sh unchanged.
/// `with_keys`: with what answers `keys`, a tenth of it; else that is left out.
std::string exec_command(bool with_keys);

/// A script without what stands from a line "# begin NAME" to "# end NAME".
std::string without(std::string_view script, std::string_view name);

/// A shell script without comments, indentation and newlines. It must keep to what the head of lease.sh asks for.
std::string on_one_line(std::string_view script);

/// One word for sh, bash, zsh, ksh, csh, tcsh and fish alike. The text has no newline, which csh can't quote.
std::string quoted(std::string_view text);

}  // namespace holdfast::relay
