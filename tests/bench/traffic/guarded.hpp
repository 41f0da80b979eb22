#pragma once

#include <functional>

namespace holdfast::bench {

/// Runs `work` in a child process, with a directory of its own for all temporary files, and returns what it returned.
/// However that ends, by SIGINT too: when this returns, no process that it started is left, and no file.
int guarded(const std::function<int()>& work);

}  // namespace holdfast::bench
