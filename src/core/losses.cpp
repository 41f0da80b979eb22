#include "holdfast/losses.hpp"

#include <algorithm>
#include <utility>

#include "holdfast/enumerators.hpp"

namespace holdfast {
namespace {

constexpr std::size_t too_many = 3;
/// Why a lease was lost is partly the relay's words.
constexpr std::size_t longest_reason = 200;

bool is_recent(TimePoint at, TimePoint now) {
  return now - at < losses_window;
}

}  // namespace

std::string_view to_string(LossOf of) {
  return spelling(of).name;
}

bool too_often(const RecentLosses& losses) {
  return losses.times >= too_many;
}

void Losses::add(LossOf of, std::string why, TimePoint now) {
  Kind& kind = kinds_.at(static_cast<std::size_t>(of));
  std::erase_if(kind.times, [now](TimePoint at) { return !is_recent(at, now); });
  if (kind.times.size() == most_losses) kind.times.erase(kind.times.begin());
  kind.times.push_back(now);
  why.resize(std::min(why.size(), longest_reason));
  kind.last = std::move(why);
}

std::vector<RecentLosses> Losses::recent(TimePoint now) const {
  std::vector<RecentLosses> all;
  for (std::size_t index = 0; index < kinds_.size(); ++index) {
    const Kind& kind = kinds_[index];
    const auto times =
        std::count_if(kind.times.begin(), kind.times.end(), [now](TimePoint at) { return is_recent(at, now); });
    if (times > 0) all.push_back({static_cast<LossOf>(index), static_cast<std::size_t>(times), kind.last});
  }
  return all;
}

}  // namespace holdfast
