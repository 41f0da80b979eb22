#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/tunnel.hpp"
#include "holdfast/tunnel_log.hpp"
#include "simulation/promises.hpp"
#include "simulation/words.hpp"

namespace holdfast::simulation {

/// Looks at what goes into step() and what comes out, keeps books of its own, and holds both against the promises. It
/// knows no world: the same events, fed anew, break the same promise.
class Watch {
 public:
  explicit Watch(const TunnelSpec& spec);

  /// One step: its event, the state and the actions that came of it, and the device's time.
  void saw(const TunnelEvent& event, const TunnelState& after, const std::vector<TunnelAction>& actions, TimePoint now);

  /// The first promise that was broken.
  const std::optional<Violation>& broken() const { return broken_; }
  /// What only the world can see.
  void breaks(Promise promise, std::string what, TimePoint now);

  /// The longest wait that what failed since a session last stood may have brought about.
  Duration worst_wait() const;
  /// It stands, as far as the device knows.
  bool logged_in() const { return logged_in_; }

 private:
  using Families = std::array<unsigned, 4>;  ///< by BackoffFamily

  void happened(const TunnelEvent& event, TimePoint now);
  void happened(const SessionEvent& event, TimePoint now);
  void did(const Deed& deed, const TunnelState& after, TimePoint now);
  void on_the_session(const Deed& deed, TimePoint now);
  void on_the_lease(const Deed& deed, TimePoint now);
  void session_is_gone();
  void told(const Happening& news, TimePoint now);
  void count(unsigned& in_this_hour, unsigned limit, const char* what, TimePoint now);

  void moved_to(const TunnelState& after, TimePoint now);
  void left_established(TimePoint now);
  void opens(const Opening& opening, TimePoint now);
  void waits(const BackingOff& waiting, bool in_login, TimePoint now);
  Duration ceiling(BackoffFamily family) const;
  void has_a_deadline(const TunnelEvent& event, const TunnelState& after, TimePoint now);
  void is_not_silent(TimePoint now);
  void is_verified(const TunnelState& after, TimePoint now);
  void stops(TimePoint now);

  unsigned& failures(BackoffFamily family) { return failures_[static_cast<std::size_t>(family)]; }
  unsigned failures(BackoffFamily family) const { return failures_[static_cast<std::size_t>(family)]; }
  unsigned relay_count() const { return std::max(1U, static_cast<unsigned>(spec_->relays.size())); }
  Duration outage(TimePoint now) const { return outage_since_ ? now - *outage_since_ : Duration::zero(); }

  const TunnelSpec* spec_;
  std::optional<Violation> broken_;

  // What stands
  Stage stage_ = Stage::idle;
  OpeningPhase opening_{};  ///< valid while opening
  Attempt attempt_ = 0;
  bool dialled_ = false, connected_ = false, session_ = false, logged_in_ = false, looking_ = false, knocking_ = false;
  bool parked_ = false, lease_opening_ = false, lease_open_ = false;
  std::optional<std::size_t> proving_;
  std::uint32_t asked_ = 0, answered_ = 0, not_permitted_ = 0;  ///< a bit a forward

  // Since when
  std::optional<TimePoint> outage_since_, established_since_, change_due_, stop_since_;
  TimePoint heard_;
  std::vector<TimePoint> verified_;  ///< or come to be held
  bool to_the_preferred_ = false;
  bool held_long_ = false;
  FoundAddresses found_;
  bool agreed_ = false;           ///< DNS and the memory, on the address that TCP connected to
  bool another_address_ = false;  ///< a relay's name has led to several, since the start

  // How often
  Families failures_{};
  bool refused_before_ = false;
  struct Told {
    Failure failure;
    TimePoint at;
  };
  TunnelLog log_;
  std::vector<Told> told_;
  TimePoint timer_at_;
  unsigned timers_ = 0;
  TimePoint hour_;
  unsigned dials_ = 0, refusals_ = 0, fresh_starts_ = 0;
};

}  // namespace holdfast::simulation
