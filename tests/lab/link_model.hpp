#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace holdfast::lab {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

/// One direction of a link.
struct LinkSettings {
  Duration delay{};                             ///< of every packet
  Duration jitter{};                            ///< added to it: evenly spread over [0, jitter]
  double loss = 0;                              ///< share of packets that vanish, 0 to 1
  std::uint64_t rate = 0;                       ///< bit/s at the IP level; 0: no limit
  std::size_t queue = std::size_t{256} * 1024;  ///< bytes that may wait for the line; what comes on top is dropped
  bool keep_order = true;                       ///< false: jitter may reorder packets
  bool blackhole = false;                       ///< everything vanishes, also what is under way

  friend bool operator==(const LinkSettings&, const LinkSettings&) = default;
};

struct Count {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;

  friend bool operator==(const Count&, const Count&) = default;
};

/// Every packet is `offered`, and then ends up in one of the others or is still under way.
struct LinkCounters {
  Count offered;
  Count delivered;
  Count lost;       ///< by `loss`
  Count dropped;    ///< queue full
  Count swallowed;  ///< by the blackhole, or flushed

  friend bool operator==(const LinkCounters&, const LinkCounters&) = default;
};

using Packet = std::vector<std::uint8_t>;

/// Decides when a packet comes out at the other end, if it does. Knows no clock and no socket: time comes in, and may
/// not go back. The same seed and the same packets give the same result.
class LinkModel {
 public:
  explicit LinkModel(std::uint64_t seed) : random_(seed) {}

  void configure(const LinkSettings& settings) { settings_ = settings; }
  const LinkSettings& settings() const { return settings_; }
  const LinkCounters& counters() const { return counters_; }

  void offer(TimePoint now, Packet packet);
  /// When take_due() has something to do next.
  std::optional<TimePoint> next_due() const;
  /// The packets that have arrived by now, in the order of their arrival.
  std::vector<Packet> take_due(TimePoint now);
  /// Forgets what is under way.
  void flush();

 private:
  struct InFlight {
    TimePoint arrival;
    std::uint64_t number;
    Packet packet;
  };
  static bool arrives_later(const InFlight& a, const InFlight& b);
  double uniform();
  InFlight pop();

  LinkSettings settings_;
  LinkCounters counters_;
  std::mt19937_64 random_;
  std::vector<InFlight> in_flight_;  // a heap, the earliest arrival first
  TimePoint line_free_at_{};
  TimePoint last_arrival_{};
  std::uint64_t next_number_ = 0;
};

}  // namespace holdfast::lab
