#pragma once

#include <cstdint>

#include "holdfast/time.hpp"

namespace holdfast::ssh {

/// How many packets a session may take in that lead to nothing: refused channel opens, global requests, SSH_MSG_IGNORE,
/// exchanges of keys, visitors that do nothing. Whoever sends more is not read from for a while, so that the other
/// tunnels of the process do not notice. Packets are counted and not the time that they take, so that a slow device is
/// as patient as a fast one. Pure.
class PacketRation {
 public:
  static constexpr int burst = 500;
  static constexpr int a_second = 100;
  /// For each thing done for somebody: a packet of data either way, an end, an answer. An honest relay sends one packet
  /// for each, and a few WINDOW_ADJUST.
  static constexpr int for_a_service = 8;
  static constexpr Duration longest_pause = std::chrono::seconds{1};
  /// Who still sends too much so long after the first pause does nothing else: unless there are visitors, whom an
  /// honest relay can't keep away either.
  static constexpr Duration patience = std::chrono::seconds{5};

  struct Taken {
    std::uint64_t packets = 0;   ///< all of them
    std::uint64_t services = 0;  ///< things done for somebody
    std::uint64_t visitors = 0;  ///< opens for a listener that is held
  };

  /// All since the last call. For how long the session is not to be read from; zero: go on.
  Duration took_in(const Taken& taken, TimePoint now);
  bool is_used_up(TimePoint now) const { return left_ < 0 && now - overdrawn_since_ > patience; }

 private:
  double left_ = burst;
  bool overdrawn_ = false;  ///< and not yet made good
  TimePoint overdrawn_since_{};
  TimePoint at_{};  ///< when `left_` was so much
};

}  // namespace holdfast::ssh
