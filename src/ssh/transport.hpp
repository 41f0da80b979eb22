#pragma once

#include <cstdint>
#include <optional>

#include "holdfast/transport.hpp"

namespace holdfast::ssh {

/// What TCP knows of this socket's connection (TCP_INFO), all but `hole_for`; none if it does not tell.
std::optional<TransportReport> transport_of(int socket);
/// Whether full segments were acknowledged, from one look at the connection to the next.
class LargeSegments {
 public:
  bool have_passed(int socket);

 private:
  std::uint64_t acknowledged_ = 0;  ///< bytes
  std::uint64_t sent_ = 0;          ///< segments with data
  bool passed_ = false;
};

/// TCP holds data that it can't hand out yet, because an earlier part is missing.
bool has_hole(int socket);

}  // namespace holdfast::ssh
