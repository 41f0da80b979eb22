#pragma once

#include <optional>
#include <string>
#include <vector>

#include "holdfast/config.hpp"
#include "holdfast/happening.hpp"
#include "holdfast/time.hpp"

namespace holdfast {

/// `failure` is set on lines about one.
struct LogLine {
  LogLevel level = LogLevel::info;
  std::string text;
  std::optional<Failure> failure{};

  friend bool operator==(const LogLine&, const LogLine&) = default;
};

/// Words what happens to a tunnel. A young outage is met by many attempts, in turn at several relays: until a session
/// stands, each failure is told once a minute, with how often the same came meanwhile. What is not told is verbose.
class TunnelLog {
 public:
  /// None where another line says it.
  std::optional<LogLine> line(const TunnelSpec& spec, const Happening& happening, TimePoint now);

  friend bool operator==(const TunnelLog&, const TunnelLog&) = default;

 private:
  struct Told {
    Failure failure;
    TimePoint at;
    unsigned repeated = 0;

    friend bool operator==(const Told&, const Told&) = default;
  };

  LogLine failed(const TunnelSpec& spec, const AttemptFailed& attempt, TimePoint now);
  LogLine refused(const ListenerRefused& listener, TimePoint now);
  LogLine stands(const TunnelSpec& spec, const SessionStands& session);
  /// How often it was not told meanwhile; none if it is not to be told now.
  std::optional<unsigned> note(const Failure& failure, TimePoint now);

  std::vector<Told> told_;  ///< the latest last, and not many
  bool session_stands_ = false;
};

}  // namespace holdfast
