#pragma once

#include <cstdint>
#include <optional>

#include "holdfast/time.hpp"
#include "holdfast/transport.hpp"

namespace holdfast::ssh {

/// What TCP knows of this socket's connection (TCP_INFO), all but `hole_for`; none if it does not tell.
std::optional<TransportReport> transport_of(int socket);

/// How often what is not acknowledged was repeated, from one look at the connection to the next. The kernel's own count
/// stays at 0 where what was sent later arrives: each SACK starts its timer anew, and has what is missing repeated at
/// once.
class Repetitions {
 public:
  /// Puts what it saw into `report`, of the same moment, where that is more than the kernel tells.
  void look(int socket, TimePoint now, TransportReport& report);

 private:
  std::uint64_t acknowledged_ = 0;  ///< bytes
  std::uint32_t repeated_ = 0;      ///< segments, of the whole connection
  unsigned times_ = 0;              ///< that more of them were seen while nothing more was acknowledged
  TimePoint since_;                 ///< nothing more was acknowledged
};

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
