#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lab/lab.hpp"
#include "lab/probe.hpp"
#include "lab/relay.hpp"
#include "lab/resolver.hpp"
#include "lab/subject.hpp"
#include "support/targets.hpp"

namespace holdfast::lab {

struct SiteOptions {
  Duration rtt = std::chrono::milliseconds{60};
  RelayOptions relay{};
  unsigned server_alive_interval = 5;
  unsigned server_alive_count_max = 3;
  std::vector<std::string> holdfast{};  ///< lines of the tunnel in its configuration
  std::uint64_t seed = 1;
};

/// A lab with everything in it: relay, a target on the device, a subject that is not started yet, and the probe.
class Site {
 public:
  static constexpr std::uint16_t tunnel_port = 4649;
  static constexpr std::uint16_t target_port = 7007;  ///< on the device's loopback
  static constexpr const char* greeting = "the device's target\r\n";

  Site(const SiteOptions& options, const SubjectKind& kind);

  Lab lab;
  Relay relay;
  std::optional<test::TargetServer> target;
  Subject subject;
  Probe probe;

  void start_target();
  void stop_target() { target.reset(); }
  /// Starts the subject and waits for the target's content; throws if it doesn't come. Hangs up.
  void establish();
};

}  // namespace holdfast::lab
