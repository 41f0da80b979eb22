#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "holdfast/listeners.hpp"
#include "holdfast/time.hpp"
#include "simulation/faults.hpp"

/// A relay's sshd as a device meets it. tests/simulation/sshd_test.cpp holds what is said here against a real one.
namespace holdfast::simulation {

/// What the lease script can do in the account (docs/relay.md).
enum class LeaseKind {
  none,         ///< no shell: its channel ends at once
  full,         ///< records, evicts, guards
  no_eviction,  ///< the relay does not let the account signal its own sshd
  guard,        ///< no record can be written: guards only
};

struct RelayConfig {
  LeaseKind lease = LeaseKind::full;
  std::size_t addresses = 1;    ///< that its name has
  bool knocks = true;           ///< permitopen for the listeners
  bool knows_localhost = true;  ///< else only for addresses
  bool penalties = true;        ///< PerSourcePenalties: OpenSSH 9.8 and later
  unsigned max_startups = 100;
  /// How long sshd, or its kernel, keeps the session of a device that is gone.
  Duration forgets_after = std::chrono::minutes{131};
  Duration idle_timeout{};     ///< of a connection, on the way; zero: none
  bool idle_silently = false;  ///< then it is forgotten, not closed
  Duration session_timeout{};  ///< whatever crosses
  Duration channel_timeout{};  ///< of the lease's channel
};

/// Of one address: PerSourcePenalties (docs/decisions/0013-*).
class Penalty {
 public:
  void add(Duration cost, TimePoint now);
  bool in_force(TimePoint now) const { return in_force_ && now < until_; }
  void clear() { *this = {}; }

 private:
  TimePoint until_;
  bool in_force_ = false;
};

using SessionNumber = std::uint32_t;  ///< 0: none
using DeviceNumber = std::uint32_t;

class Relay {
 public:
  explicit Relay(const RelayConfig& config) : config_(config) {}

  // ---- before the login ------------------------------------------------------------------------------------------

  /// Whether it lets one more in before it has said who it is; else "Not allowed at this time". Each that was let in
  /// is to be ended with left(), or logged in with logged_in().
  bool lets_in(TimePoint now);
  /// Ended before the login was over: `cost` is what PerSourcePenalties takes for it.
  void left(Duration cost, TimePoint now);
  SessionNumber logged_in(DeviceNumber device, TimePoint now);

  // ---- sessions --------------------------------------------------------------------------------------------------

  /// The device has gone without a word.
  void abandoned(SessionNumber session, TimePoint now);
  void ended(SessionNumber session);
  void all_ended();
  bool lives(SessionNumber session, TimePoint now);
  /// How many listeners it has.
  std::size_t held(SessionNumber session) const;

  // ---- listeners -------------------------------------------------------------------------------------------------

  /// tcpip-forward: the port, or none if it is refused. 0 asks for any.
  std::optional<std::uint16_t> listen(SessionNumber session, std::uint16_t port, TimePoint now);
  void cancel(SessionNumber session, std::uint16_t port);
  /// direct-tcpip to a listener; `speaks`: whether somebody there does.
  struct Opened {
    KnockAnswer answer{};
    bool speaks = false;
  };
  Opened knock(std::uint16_t port, bool by_name, TimePoint now);
  /// Whether a device's own session that it has left holds the port, and could be evicted.
  std::optional<bool> left_behind(DeviceNumber device, std::uint16_t port, TimePoint now);

  // ---- the lease -------------------------------------------------------------------------------------------------

  /// Whether the script answers.
  bool open_lease(SessionNumber session, Duration guard, TimePoint now);
  void end_lease(SessionNumber session);
  void heartbeat(SessionNumber session, TimePoint now);
  /// When it last came; none without a lease.
  std::optional<TimePoint> last_heartbeat(SessionNumber session) const;
  void record(SessionNumber session, std::uint16_t port);
  struct Eviction {
    EvictOutcome outcome{};
    std::optional<Duration> guard{};  ///< of who has it
  };
  Eviction evict(DeviceNumber device, std::uint16_t port, bool only_identify, TimePoint now);

  // ---- faults ----------------------------------------------------------------------------------------------------

  void begin(const Fault& fault, std::uint16_t port, TimePoint now);
  Conditions& conditions() { return conditions_; }
  const Conditions& conditions() const { return conditions_; }
  Penalty& penalty() { return penalty_; }
  const RelayConfig& config() const { return config_; }
  /// Whether anybody else has this port now.
  bool has_stranger(std::uint16_t port, TimePoint now) const;

 private:
  struct Session {
    SessionNumber number = 0;
    DeviceNumber device = 0;
    std::optional<TimePoint> ends;  ///< the device is gone
    Duration guard{};               ///< zero: none
    TimePoint heard;
    bool leased = false;
  };
  struct Listener {
    std::uint16_t port = 0;
    SessionNumber session = 0;
    bool recorded = false;
  };
  struct Stranger {
    std::uint16_t port = 0;
    TimePoint until;
    bool speaks = false;
    bool twin = false;
  };

  Session* find(SessionNumber session);
  Listener* listener(std::uint16_t port);
  void expire(TimePoint now);
  void remove_stranger(std::uint16_t port);

  RelayConfig config_;
  Conditions conditions_;
  Penalty penalty_;
  std::vector<Session> sessions_;
  std::vector<Listener> listeners_;
  std::vector<Stranger> strangers_;
  SessionNumber last_session_ = 0;
  unsigned startups_ = 0;
};

}  // namespace holdfast::simulation
