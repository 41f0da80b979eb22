#pragma once

#include <string>

namespace holdfast::ssh {

/// The build id (GNU's linker note, in hexadecimal) of the libssh that this process runs: two builds of one release
/// differ in it. Empty if there is none.
std::string libssh_build_id();

}  // namespace holdfast::ssh
