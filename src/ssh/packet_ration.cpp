#include "ssh/packet_ration.hpp"

#include <algorithm>
#include <utility>

namespace holdfast::ssh {

Duration PacketRation::took_in(const Taken& taken, TimePoint now) {
  using Seconds = std::chrono::duration<double>;
  const double earned =
      Seconds{now - std::exchange(at_, now)}.count() * a_second + static_cast<double>(taken.services) * for_a_service;
  if (left_ + earned >= burst) overdrawn_ = false;
  left_ = std::min<double>(burst, left_ + earned - static_cast<double>(taken.packets));
  if (left_ >= 0) return Duration::zero();
  if (!std::exchange(overdrawn_, true) || taken.visitors > 0) overdrawn_since_ = now;
  return std::min(longest_pause, std::chrono::duration_cast<Duration>(Seconds{-left_ / a_second}));
}

}  // namespace holdfast::ssh
