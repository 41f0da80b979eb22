#include "holdfast/transport.hpp"

#include <array>
#include <cstdlib>
#include <string>

namespace holdfast {
namespace {

/// One repetition is everyday; from the second on it is the path that is late, or when it takes so long.
constexpr unsigned repetitions_of_a_stall = 2;
constexpr Duration long_for_one = std::chrono::seconds{5};
/// With a loss of 30 % a segment is lost so often in a row (once more by the fast retransmission) once in 400 times.
constexpr unsigned repetitions_in_vain = 4;
/// For IPv6 a path must carry packets of 1280 bytes (40 and 20 are headers), and nearly all that is stacked on Ethernet
/// does. For IPv4 it is 576, which TCP takes for granted where nothing is said (RFC 9293, 3.7.1).
constexpr std::array<std::uint32_t, 2> limits{1220, 536};
constexpr Duration kept_for = std::chrono::hours{24};

bool repeats_in_vain(const TransportReport& transport) {
  const bool once_and_long = transport.repetitions == 1 && transport.unacknowledged_for >= long_for_one;
  return transport.unacknowledged > 0 && (transport.repetitions >= repetitions_of_a_stall || once_and_long);
}

/// What is small passes both ways: the relay's kernel had our segments when its own had been missing for a while. What
/// was sent just now may still be under way.
bool acknowledged_after(Duration missing, const TransportReport& transport) {
  const bool moves = transport.unacknowledged == 0 || transport.repetitions == 0;
  return moves && missing - transport.acknowledged_ago >= transport.four_repetitions / 2;
}

LargePackets judge(const TransportReport& transport, bool repeated) {
  if (repeated && transport.unacknowledged >= transport.segment_size) {
    return transport.later_arrived && !transport.large_passed ? LargePackets::lost_outbound : LargePackets::maybe_lost;
  }
  if (transport.hole_for > Duration::zero() && transport.hole_for >= transport.four_repetitions &&
      acknowledged_after(transport.hole_for, transport)) {
    return LargePackets::lost_inbound;
  }
  if (acknowledged_after(transport.nothing_came_for, transport)) return LargePackets::maybe_lost;
  return LargePackets::pass;
}

}  // namespace

bool stalls(const TransportReport& transport) {
  return repeats_in_vain(transport) || transport.hole_for > Duration::zero();
}

LargePackets large_packets(const TransportReport& transport) {
  return judge(transport, transport.repetitions >= repetitions_in_vain);
}

LargePackets large_packets_of_silent(const TransportReport& transport) {
  const LargePackets sure = large_packets(transport);
  const bool likely = judge(transport, repeats_in_vain(transport)) != LargePackets::pass;
  return sure == LargePackets::pass && likely ? LargePackets::maybe_lost : sure;
}

bool misses_something(const TransportReport& transport) {
  return transport.hole_for > Duration::zero() && transport.hole_for >= transport.four_repetitions / 2;
}

Failure explained(Failure late, const TransportReport& transport) {
  switch (judge(transport, repeats_in_vain(transport))) {
    case LargePackets::lost_outbound:
      late.cause = Cause::path_mtu;
      late.detail = "full packets to the relay are not acknowledged since " + to_text(transport.unacknowledged_for) +
                    ", and what was sent after them was";
      return late;
    case LargePackets::lost_inbound:
      late.cause = Cause::path_mtu;
      late.detail = "a packet of the relay's is missing since " + to_text(transport.nothing_came_for) +
                    ", and what is small passes both ways";
      return late;
    case LargePackets::maybe_lost:
    case LargePackets::pass:
      break;
  }
  if (!repeats_in_vain(transport)) return late;
  late.cause = Cause::relay_silent;
  late.detail = "sent data is not acknowledged since " + to_text(transport.unacknowledged_for) +
                ": the way to the relay swallows it";
  return late;
}

void SegmentLimit::attempt_begins(TimePoint now) {
  just_lowered_ = false;
  if (bytes_ && now - since_ >= kept_for) *this = {};
}

void SegmentLimit::ended(LargePackets packets, std::uint32_t segment_size, TimePoint now) {
  switch (packets) {
    case LargePackets::pass:
      return;
    case LargePackets::maybe_lost:
      if (tried_) {
        *this = {};
      } else if (!bytes_ && segment_size > limits.front()) {
        *this = {};
        bytes_ = limits.front();
        since_ = now;
        tried_ = true;
      }
      return;
    case LargePackets::lost_outbound:
    case LargePackets::lost_inbound:
      for (const std::uint32_t limit : limits) {
        if (limit >= segment_size) continue;
        *this = {};
        bytes_ = limit;
        since_ = now;
        just_lowered_ = true;
        return;
      }
      return;
  }
  std::abort();
}

}  // namespace holdfast
