#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "doctor/patient.hpp"

/// Looks at every layer between this device and its relay, and at what the tunnel leads to.
namespace holdfast::doctor {

/// What is looked at, when, and for how long, stands in one table in examination.cpp. It ends within 30 s, and within
/// 10 s where everything answers.
class Examination {
 public:
  /// `tell` is called for each layer once, from the loop, and `done` at the end; the examination may be destroyed in
  /// either.
  Examination(Patient patient, Tell tell, std::function<void()> done);
  /// Ends what is under way; nobody is told any more.
  ~Examination();
  Examination(const Examination&) = delete;
  Examination& operator=(const Examination&) = delete;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;
};

/// What an examination tells of.
std::set<Layer> examined_layers();

/// The whole examination without a daemon: returns at its end. `there`: the tunnel as it is at one relay.
void examine_alone(const TunnelSpec& there, const std::string& state_folder, const Tell& tell);

}  // namespace holdfast::doctor
