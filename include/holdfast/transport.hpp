#pragma once

#include <cstdint>
#include <optional>

#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"

/// What lies below a session: whether TCP still moves, and whether only small packets pass (a path MTU black hole:
/// something on the way drops large ones, and nobody says so).
namespace holdfast {

/// What TCP knows of a connection at a moment.
struct TransportReport {
  std::uint32_t unacknowledged = 0;  ///< bytes that were sent and that the relay's kernel has not acknowledged
  unsigned repetitions = 0;          ///< of the oldest of them, each after twice the time of the one before
  Duration unacknowledged_for{};     ///< since the oldest was sent; valid with repetitions
  bool later_arrived = false;        ///< the relay's kernel has what was sent after it (SACK)
  bool large_passed = false;         ///< full segments were acknowledged earlier on this connection
  std::uint32_t segment_size = 0;    ///< the largest segment that is sent, in bytes of payload
  Duration hole_for{};               ///< so long at least data has been here of which an earlier part is missing
  Duration nothing_came_for{};       ///< since data came that could be read
  Duration acknowledged_ago{};       ///< the last acknowledgement, of whatever
  Duration four_repetitions{};       ///< how long a sender takes for as many on such a connection

  friend bool operator==(const TransportReport&, const TransportReport&) = default;
};

/// TCP repeats what is not acknowledged, or waits for what is missing: whatever is late above it proves nothing.
bool stalls(const TransportReport& transport);

enum class LargePackets {
  pass,           ///< or nothing is known
  maybe_lost,     ///< full segments are repeated in vain, or our small ones are acknowledged and nothing comes: as
                  ///< likely it is an outage, or a relay that hangs
  lost_outbound,  ///< a full segment was repeated in vain and what was sent after it has arrived; on a connection that
                  ///< carried full ones before it is as likely an outage that began with a single loss
  lost_inbound,   ///< something is missing that the relay had time to repeat, and what is small passes both ways
};
LargePackets large_packets(const TransportReport& transport);
/// large_packets() of a session that is given up for its silence. Fewer repetitions make it maybe_lost there: on a
/// connection that began with a late answer the kernel takes half a minute for four of them.
LargePackets large_packets_of_silent(const TransportReport& transport);

/// Something is missing that the relay had some time to repeat: whether anything passes is worth a probe.
bool misses_something(const TransportReport& transport);

/// What was found late, in the words of what explains it: as it is, unless the transport does not move.
Failure explained(Failure late, const TransportReport& transport);

/// The segments that sessions with one relay are limited to (TCP_MAXSEG, both ways) once large packets were lost.
class SegmentLimit {
 public:
  /// What was found out more than a day ago is forgotten: the way may have been mended.
  void attempt_begins(TimePoint now);
  /// A session, or the login, ended as it did, with this transport; `segment_size` is what it sent at most. A limit
  /// that was only tried is dropped when it did not help.
  void ended(LargePackets packets, std::uint32_t segment_size, TimePoint now);

  /// TCP_MAXSEG; none: the kernel's choice.
  std::optional<std::uint32_t> bytes() const { return bytes_; }
  /// Large packets are known to be lost, and there are smaller ones to try.
  bool just_lowered() const { return just_lowered_; }

  friend bool operator==(const SegmentLimit&, const SegmentLimit&) = default;

 private:
  std::optional<std::uint32_t> bytes_;
  TimePoint since_;            ///< valid with bytes_
  bool tried_ = false;         ///< on a suspicion only
  bool just_lowered_ = false;  ///< by the end of the last session
};

}  // namespace holdfast
