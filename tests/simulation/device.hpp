#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <vector>

#include "holdfast/tunnel.hpp"
#include "simulation/faults.hpp"
#include "simulation/random.hpp"
#include "simulation/relay.hpp"
#include "simulation/watch.hpp"
#include "simulation/words.hpp"

namespace holdfast::simulation {

/// One event as it went into step().
struct Fed {
  TimePoint at;  ///< by the device's clock
  TunnelEvent event;
  std::vector<double> dice{};  ///< what was drawn
  bool late = false;           ///< of an earlier session
  bool due = false;            ///< a timer at its very deadline
};

/// A device, its way to the relays, and what the runner would do there: the answers to the actions, and the runner's
/// rules of what is cancelled when. One thing happens at a time, and between them nothing is looked at: a device that
/// idles costs its events only.
class Device {
 public:
  /// `dns_cache`: where the relays were right outlives a power cut.
  Device(DeviceNumber number, const TunnelSpec& spec, std::vector<Relay>& relays, std::uint64_t seed, bool dns_cache);

  void boot(TimePoint now);
  /// When something is due next.
  TimePoint next() const;
  /// Lets the first thing that is due happen.
  void advance(TimePoint now);
  void begin(const Fault& fault, TimePoint now);
  /// At the end of a relay's fault, or of another's that this device may notice.
  void trouble(TimePoint now) { trouble_ = std::max(trouble_, now); }
  void stop(TimePoint now);
  bool stopped() const { return stage_of(state_.phase) == Stage::stopped; }

  const std::optional<Violation>& broken() const { return watch_.broken(); }
  std::uint64_t steps() const { return steps_; }
  bool up() const { return is_up(state_); }
  /// Keeps what is fed from the last boot on.
  void keep(std::vector<Fed>* fed) { fed_ = fed; }

 private:
  enum class Answer : std::uint8_t {
    resolved,
    connected,
    banner,
    keys,
    login,
    listen,
    knock_opens,
    knock_speaks,
    identified,
    evicted,
    proof_opens,
    proof_comes_back,
    proof_ends,
    lease_opens,
    echo,
    looked,
    idle,
    drained,
    cancelled,
    closed,
  };
  /// What is on its way; what it says is found out when it comes.
  struct Awaited {
    TimePoint at;
    Attempt attempt = 0;
    Answer answer{};
    bool by_name = false;
    bool late = false;  ///< the runner has cancelled it
    std::uint16_t index = 0;
  };
  enum class Power { off, on, to_start_again, to_reload };

  TimePoint clock(TimePoint now) const { return now - asleep_; }
  Relay& relay() { return relays_[relay_]; }
  const Relay& relay() const { return relays_[relay_]; }

  void feed(const TunnelEvent& event, TimePoint now, bool late = false);
  void feed_session(SessionEvent event, TimePoint now);
  void perform(const Deed& deed, TimePoint now);
  void wait_for(Answer answer, Duration delay, TimePoint now, std::size_t index = 0, bool by_name = false);
  void forget(std::initializer_list<Answer> answers);
  Duration round_trip(TimePoint now);
  Failure failure(Cause cause, std::string_view operation) const;

  // The way
  bool has_a_way(TimePoint now) const;
  bool passes(TimePoint now) const;
  std::optional<TimePoint> held_up_until(const Awaited& awaited, TimePoint now) const;
  void loses_flow(TimePoint now);
  void lose_session(Cause cause, TimePoint now);

  // What comes
  void timers(TimePoint now);
  void come(const Awaited& awaited, TimePoint now);
  void comes_before_login(const Awaited& awaited, TimePoint now);
  void comes_on_session(const Awaited& awaited, TimePoint now);
  void proof_comes(const Awaited& awaited, TimePoint now);
  void looked(std::size_t at, TimePoint now);
  void found(TimePoint now);
  void connects(TimePoint now);
  std::uint16_t port(std::size_t forward) const;

  // The runner
  void leave(bool politely, TimePoint now);
  void used(TimePoint now);
  void fail_before_login(Cause cause, std::string_view operation, Duration cost, TimePoint now);
  void lease_used(TimePoint now);

  // The device
  void switch_off(TimePoint until, TimePoint now);
  void wake(TimePoint now);
  void link_comes_up(TimePoint now);
  void starts_again_if_due(TimePoint now);

  // Is what is promised kept?
  void check_held(TimePoint now);
  bool a_relay_is_good(TimePoint now, bool& port_is_left_behind) const;

  DeviceNumber number_;
  const TunnelSpec& spec_;
  std::vector<Relay>& relays_;
  TunnelState state_;
  Random random_;
  Watch watch_;
  Conditions conditions_;
  std::vector<Awaited> awaited_;
  std::vector<std::uint16_t> bound_;  ///< the ports that the relay chose, where it did
  std::vector<Fed>* fed_ = nullptr;

  Power power_ = Power::off;
  TimePoint on_at_, awake_at_;
  std::optional<TimePoint> slept_from_, link_up_, proceeds_at_;
  Duration asleep_{};
  bool dns_cache_;
  struct Right {
    std::string address;
    TimePoint at;
  };
  std::vector<Right> right_;  ///< where each relay's key was right last; empty: nowhere yet

  // The connection
  std::size_t relay_ = 0;
  SessionNumber session_ = 0;
  bool before_login_ = false;  ///< sshd counts it
  bool flow_dead_ = false;     ///< what is sent arrives nowhere
  TimePoint flow_ready_;       ///< answers don't overtake one another
  TimePoint opened_at_, used_at_, lease_used_at_, acknowledged_;
  std::size_t look_at_ = 0;
  std::vector<std::string> order_;  ///< of the addresses that are dialled
  std::string at_;                  ///< the one that TCP connected to
  std::uint32_t address_ = 0;
  struct Parked {
    std::size_t relay = 0;
    SessionNumber session = 0;
    std::uint32_t address = 0;
  };
  std::optional<Parked> parked_;

  TimePoint trouble_;       ///< the last time that anything was wrong
  TimePoint well_since_;    ///< valid while it is well
  TimePoint unheld_since_;  ///< valid while it does not hold all
  bool well_ = false, held_ = false;
  std::uint64_t steps_ = 0;
};

}  // namespace holdfast::simulation
