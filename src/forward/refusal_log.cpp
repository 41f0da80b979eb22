#include "forward/refusal_log.hpp"

#include <chrono>

namespace holdfast::forward {
namespace {

constexpr std::chrono::minutes quiet_time{1};

}  // namespace

void RefusalLog::add(std::size_t forward, const Failure& failure, const std::string& text, TimePoint now) {
  const auto [entry, first] = told_.try_emplace({forward, failure.cause}, Told{now, 0});
  Told& told = entry->second;
  if (!first && now - told.at < quiet_time) {
    ++told.untold;
    return;
  }
  const std::string more = told.untold == 0 ? "" : " (and " + std::to_string(told.untold) + " times before)";
  told = {now, 0};
  write_(text + ": " + describe(failure) + more);
}

}  // namespace holdfast::forward
