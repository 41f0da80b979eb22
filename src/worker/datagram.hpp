#pragma once

#include <string_view>

namespace holdfast {

/// Sends `text` to the Unix socket of that address: a path, or behind '@' an abstract name (unix(7)). It waits while
/// the socket is full, perhaps for ever. False if it was not sent.
bool send_datagram(std::string_view address, std::string_view text);

}  // namespace holdfast
