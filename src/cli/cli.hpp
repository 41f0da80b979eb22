#pragma once

namespace holdfast::cli {

/// The command line, docs/man/holdfast.8. Returns the exit status: 0 done, 1 failed, 2 bad usage or configuration;
/// `run` ends with 78 (EX_CONFIG) for the latter, `health` with the Monitoring Plugins' 0 to 3.
int main(int argc, const char* const* argv);

}  // namespace holdfast::cli
