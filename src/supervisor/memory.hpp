#pragma once

namespace holdfast::supervisor {

/// Gives back what a burst left behind: malloc's free pages, and the pages of program code that were mapped on the way
/// (configuration, key exchange, commands). The code stays in the kernel's page cache and is mapped again when it
/// runs: some hundred page faults without I/O. Takes well under a millisecond.
void release_memory();

}  // namespace holdfast::supervisor
