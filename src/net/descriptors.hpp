#pragma once

namespace holdfast::net {

/// How many descriptors connections to targets leave free, for the relays, the resolver and whoever asks for the
/// status. Visitors may come until none is left, and that is when an operator has to get through.
inline constexpr int kept_from_visitors = 48;

/// True of a descriptor among the last `count` that this process may have (RLIMIT_NOFILE), or the last quarter if that
/// is less. The kernel gives the lowest number that is free, so that a new one tells how many are in use.
bool is_among_the_last(int descriptor, int count);

}  // namespace holdfast::net
