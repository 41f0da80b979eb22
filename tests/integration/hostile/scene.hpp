#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <string>

#include "integration/tunnel/scenario.hpp"
#include "support/ssh/relay.hpp"

namespace holdfast::test {

/// Of the program.
struct Cost {
  long kilobytes = 20'000;  ///< at the most
  std::chrono::milliseconds cpu_time = 2s;
};

/// The program with two tunnels: one to a relay that a script plays ("hostile"), and one to an honest relay
/// ("bystander"). The script begins once the bystander is up, so that what the program costs from then on is what the
/// script makes it cost.
class Scene {
 public:
  using Change = std::function<void(Tunnel&)>;

  explicit Scene(ScriptedRelay::Script script, const Change& change = {}, RelayOptions options = {});

  const Holdfast& holdfast() const { return holdfast_; }
  Holdfast& holdfast() { return holdfast_; }
  Json hostile() const { return holdfast_.tunnel("hostile"); }
  [[nodiscard]] bool wait_for(const std::function<bool(const Json& hostile)>& condition,
                              std::chrono::milliseconds limit = 20s) const {
    return holdfast_.wait_for(condition, "hostile", limit);
  }
  /// Stops the hostile tunnel, as who takes it out of the configuration.
  void remove_hostile();

  /// Since the script began.
  Cost cost() const;
  /// It was no more than that, and the bystander is as it was.
  void check_cost(Cost most = {}) const;

 private:
  std::atomic<bool> begun_ = false;
  TargetServer target_;
  ScriptedRelay hostile_;
  ScriptedRelay bystander_;
  Tunnel bystander_tunnel_;
  Holdfast holdfast_;
  Cost before_;
};

}  // namespace holdfast::test
