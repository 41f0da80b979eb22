#include "traffic/scenario.hpp"

namespace holdfast::bench {

const Bed& Beds::loopback() {
  if (!loopback_) {
    loopback_ = std::make_unique<Loopback>();
  }
  return *loopback_;
}

const Bed& Beds::far_loopback() {
  if (!far_loopback_) {
    far_loopback_ = std::make_unique<FarLoopback>(std::chrono::milliseconds{100});
  }
  return *far_loopback_;
}

std::vector<Scenario> all_scenarios() {
  return bulk_scenarios();
}

}  // namespace holdfast::bench
