#include "forward/buffers.hpp"

#include <chrono>

namespace holdfast::forward {

void Buffers::note(Holder& holder, std::size_t bytes, TimePoint now) {
  if (bytes == 0) return forget(holder);
  Share& share = holders_.try_emplace(&holder, Share{&holder, 0, now}).first->second;
  if (bytes < share.bytes) share.stalled_since = now;
  total_ = total_ - share.bytes + bytes;
  share.bytes = bytes;
  while (total_ > most_) {
    Holder* const chosen = worst(now);
    forget(*chosen);
    chosen->give_up();
  }
}

void Buffers::forget(const Holder& holder) {
  const auto found = holders_.find(&holder);
  if (found == holders_.end()) return;
  total_ -= found->second.bytes;
  holders_.erase(found);
}

Buffers::Holder* Buffers::worst(TimePoint now) const {
  Holder* chosen = nullptr;
  double most = -1;
  for (const auto& [key, share] : holders_) {
    const std::chrono::duration<double> stalled = now - share.stalled_since + std::chrono::milliseconds{1};
    const double weight = static_cast<double>(share.bytes) * stalled.count();
    if (weight <= most) continue;
    most = weight;
    chosen = share.holder;
  }
  return chosen;
}

}  // namespace holdfast::forward
