#pragma once

namespace holdfast::cli {

/// The command line, docs/man/holdfast.8. Returns the exit status: 0 done, 1 failed, 2 bad usage or configuration;
/// `health` has the Monitoring Plugins' 0 to 3.
int main(int argc, const char* const* argv);

}  // namespace holdfast::cli
