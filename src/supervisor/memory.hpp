#pragma once

namespace holdfast::supervisor {

/// Gives back what a burst left behind: malloc's free pages. Takes well under a millisecond.
void release_memory();

/// Before the first thread. What the threads allocate, and the loop keeps, would lie in areas of their own otherwise,
/// each with pages that are hardly used: half as much again for each further tunnel.
void share_one_heap();

}  // namespace holdfast::supervisor
