#include "supervisor/tidying.hpp"

#include <chrono>

#include "supervisor/memory.hpp"

namespace holdfast::supervisor {
namespace {

constexpr std::chrono::seconds settled_after{2};
constexpr std::chrono::minutes between_looks{1};

}  // namespace

void Tidying::something_happened() {
  look_after(settled_after);
}

void Tidying::look_after(Duration wait) {
  timer_.start(wait, [this] {
    std::uint64_t activity = 0;
    bool idle = true;
    for (const Slot& slot : slots_) {
      activity += slot.activity();
      idle = idle && slot.idle();
    }
    if (idle && activity != tidied_) {
      tidied_ = activity;
      release_memory();
    }
    look_after(between_looks);
  });
}

}  // namespace holdfast::supervisor
