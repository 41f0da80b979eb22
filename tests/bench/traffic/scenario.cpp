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

LabBed& Beds::lab() {
  if (!lab_) {
    lab_ = std::make_unique<LabBed>();
  }
  return *lab_;
}

Client start_client(const Bed& bed, Program program, const Options& options, const std::string& ciphers) {
  return {bed, program, {.holdfast = options.holdfast, .ciphers = ciphers}};
}

std::vector<Scenario> all_scenarios() {
  std::vector<Scenario> all;
  for (const auto& some :
       {bulk_scenarios(), latency_scenarios(), connections_scenarios(), memory_scenarios(), lab_scenarios()}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

}  // namespace holdfast::bench
