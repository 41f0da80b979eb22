#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "holdfast/addresses.hpp"
#include "holdfast/backoff.hpp"
#include "holdfast/failure.hpp"
#include "holdfast/time.hpp"
#include "holdfast/timeouts.hpp"
#include "holdfast/transport.hpp"
#include "holdfast/turn.hpp"

/// Which relay of the list is tried, and when. Relays are numbered in the order of preference; a tunnel with one relay
/// has a list of one.
namespace holdfast {

/// What is known of one relay.
struct RelayProgress {
  Backoff backoff;
  Addresses addresses;
  std::string server;                      ///< what it last said it is: "SSH-2.0-OpenSSH_10.0"
  std::optional<TimePoint> next_try;       ///< not before; absent or past: at once
  std::optional<Failure> failure;          ///< the last one, until a session is established there
  TimePoint failed_at;                     ///< valid with `failure`
  std::optional<Failure> refusal;          ///< the last of BackoffFamily::refused, likewise: what sshd penalises
  TimePoint refused_at;                    ///< valid with `refusal`
  std::optional<TimePoint> last_eviction;  ///< of a stale listener of ours
  unsigned failed_returns = 0;             ///< in a row: it was looked at, or gone back to, in vain
  std::optional<TimePoint> look_after;     ///< while a session stands on a worse one: when to see whether it is back
  Timeouts timeouts;
  SegmentLimit segments;

  friend bool operator==(const RelayProgress&, const RelayProgress&) = default;
};

struct NextTry {
  std::size_t relay = 0;
  TimePoint at;

  friend bool operator==(const NextTry&, const NextTry&) = default;
};

/// How far the attempt or the session got that failed.
enum class Reached {
  nothing,
  login,            ///< sshd had begun with us: each end there counts against our address (its PerSourcePenalties)
  session,          ///< the listeners were held, for a while
  lasting_session,  ///< held for reset_after
};

class Failover {
 public:
  /// Makes the list as long as there are relays; does nothing when it is so already.
  void resize(std::size_t count);

  const std::vector<RelayProgress>& all() const { return all_; }
  std::size_t current() const { return current_; }
  RelayProgress& here() { return all_[current_]; }

  /// The attempt or the session on the current relay failed: where next, and when.
  /// - When sshd penalises us after it refused us here, the wait is the refusal's: whoever knocks as soon as a penalty
  ///   ends earns the next one.
  /// - An address of this relay's that was not tried yet takes its turn before another relay does.
  /// - This relay is next, after its wait, if its session had lasted, if the fault lies in the device, or if large
  ///   segments are lost and smaller ones can be tried.
  /// - Else the best relay that was not yet tried in this outage is next, or the one that was tried longest ago, of
  ///   those that don't have to wait. It is tried at once, but for a pause that spreads a fleet.
  /// - Else the one whose wait ends first is next. When none could be reached, most likely the device's way is gone.
  ///   They wait together then, so that the preferred one is the first to be tried when it is back.
  /// - A relay that was gone back to too soon is left for the one that held the tunnel.
  /// - While an outage is young the waits are short, but not after what ended in the login, or where no SSH server is:
  ///   that is not the network's.
  NextTry failed(const Failure& failure, Reached reached, Duration outage, const Turn& turn);
  /// The best one that does not have to wait now; else the one whose wait ends first.
  NextTry best(TimePoint now) const;
  /// A relay other than the current one that may be tried now and is not known to refuse the listeners.
  bool another_may_listen(TimePoint now) const;
  void try_at(std::size_t relay) { current_ = relay; }
  /// The way to all of them may be another one now: whoever could not be reached does not have to wait. If the device
  /// has `moved`, nor does who takes nobody from the address that it had.
  void network_changed(bool moved);
  /// The way to each address of theirs may be another one now.
  void forgive_addresses();
  /// Someone has mended something: no relay has to wait, and what was learnt against one is forgotten, but for its
  /// last failure and its backoff.
  void forgive_all();
  void established();
  /// The session on the current relay is over and had held for reset_after: call before failed(), or what follows.
  void held_long();

  // ---- going back to a better one --------------------------------------------------------------------------------

  /// A session stands here: sets when the better ones are looked at, unless a session before it did and none was tried
  /// since.
  void plan_returns(const Turn& turn);
  /// When the first of them is due; none when this is the preferred one, or fail_back_after is 0.
  std::optional<TimePoint> next_look() const;
  /// The best one whose time has come.
  std::optional<std::size_t> to_look_at(TimePoint now) const;
  /// It answers, at this address.
  void answered(std::size_t relay, const std::string& address) { all_[relay].addresses.answered(address); }
  /// It does not answer: later, and ever more rarely. The time until then.
  Duration not_back(std::size_t relay, const Turn& turn);
  /// The session here is over, and this better one is next.
  void go_back_to(std::size_t relay);

  friend bool operator==(const Failover&, const Failover&) = default;

 private:
  bool must_wait(std::size_t relay, TimePoint now) const;
  std::optional<std::size_t> best_other(TimePoint now, TimePoint outage_since) const;
  void wait_together(TimePoint until);

  std::vector<RelayProgress> all_{1};
  std::size_t current_ = 0;
  std::optional<std::size_t> came_from_;  ///< held the tunnel until we went back to a better one, which has yet to last
};

}  // namespace holdfast
