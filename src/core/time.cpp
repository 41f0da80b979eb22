#include "holdfast/time.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace holdfast {

std::optional<TimePoint> earlier(std::optional<TimePoint> one, std::optional<TimePoint> other) {
  if (!one || !other) return one ? one : other;
  return std::min(*one, *other);
}

std::string to_text(Duration duration) {
  using std::chrono::duration_cast;
  const double seconds = std::chrono::duration<double>(duration).count();
  std::array<char, 64> text{};
  if (seconds < 10) {
    std::snprintf(text.data(), text.size(), "%.1f s", seconds);
    return text.data();
  }
  const auto whole = duration_cast<std::chrono::seconds>(duration).count();
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  if (whole < 86400) return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
  return std::to_string(whole / 86400) + " d " + std::to_string(whole % 86400 / 3600) + " h";
}

}  // namespace holdfast
