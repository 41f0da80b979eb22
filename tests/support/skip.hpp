#pragma once

#include <string>

namespace holdfast::test {

/// Says that the running test case, or a part of it, is skipped here, and why: a line that tools/test repeats at its
/// end. A whole program that can't run says "skipped: why" itself and exits with 77 (SKIP_RETURN_CODE).
void skipped(const std::string& why);

// Each is true, and has said so, where the machine has not what is needed: `if (skipped_without_root()) return;`
bool skipped_without_root();
bool skipped_without_mounts();  ///< also root may not mount in most containers
bool skipped_without_ipv6();    ///< no ::1

}  // namespace holdfast::test
