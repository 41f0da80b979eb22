#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/enumerators.hpp"
#include "holdfast/time.hpp"

/// What a tunnel that is up now lost in the minutes before. One loss is everyday (a relay reboots, the network
/// changes); the third of the same kind within ten minutes is a fault that nobody sees at a moment.
namespace holdfast {

enum class LossOf {
  session,   ///< an established one; not by a stop, a reload, a reconnect on request, or for a better relay
  listener,  ///< was refused
  path,      ///< a proof failed that was good before, or for the first time on its session
  lease,     ///< its script had answered
};
/// "session", "listener", ...
std::string_view to_string(LossOf of);

/// Losses of one kind in the last losses_window.
struct RecentLosses {
  LossOf of{};
  std::size_t times = 0;  ///< at most most_losses: then there may have been more
  std::string last{};     ///< why, the last time: "idle timeout"

  friend bool operator==(const RecentLosses&, const RecentLosses&) = default;
};

inline constexpr Duration losses_window = std::chrono::minutes{10};
inline constexpr std::size_t most_losses = 100;

/// So often that somebody should look: three times.
bool too_often(const RecentLosses& losses);

class Losses {
 public:
  void add(LossOf of, std::string why, TimePoint now);
  /// One for each kind that was lost in the last losses_window.
  std::vector<RecentLosses> recent(TimePoint now) const;

  friend bool operator==(const Losses&, const Losses&) = default;

 private:
  struct Kind {
    std::vector<TimePoint> times;  ///< the oldest first; none older than losses_window at the last of them
    std::string last;

    friend bool operator==(const Kind&, const Kind&) = default;
  };

  std::array<Kind, enumerators<LossOf>.size()> kinds_;  ///< by LossOf
};

}  // namespace holdfast
