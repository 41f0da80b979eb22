#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "forward/connections.hpp"
#include "holdfast/history.hpp"
#include "holdfast/tunnel_log.hpp"
#include "holdfast/tunnel_report.hpp"
#include "net/parked_socket.hpp"
#include "record/recorder.hpp"
#include "supervisor/alarm.hpp"
#include "supervisor/live_attempt.hpp"
#include "supervisor/surroundings.hpp"

namespace holdfast::supervisor {

/// One tunnel, running: feeds step() with what happens, has the actions performed that come back, and collects what the
/// report shows. Owns the tunnel's alarm, its connections, and the attempt under way.
class TunnelRunner final : private AttemptOwner {
 public:
  /// `changed` is called after each change of phase and of the listeners that are held, and with each line of the log;
  /// the runner must not be destroyed inside it.
  TunnelRunner(Surroundings around, const SharedSpec& spec, std::function<void()> changed);

  /// Start, Proceed, StopRequested, StopNow or ReconnectRequested.
  void handle(const TunnelEvent& event);
  /// The way to the relay may be another one now.
  void network_changed();
  /// The device has this address no more: what was connected from it is dead, whatever TCP still hopes. `retry_at_once`
  /// when there is another way already, which will not announce itself.
  void address_gone(const boost::asio::ip::address& address, bool retry_at_once);

  bool stopped() const { return std::holds_alternative<Stopped>(state_.phase); }
  bool up() const { return is_up(state_); }
  /// The cause of the last error.
  std::optional<Cause> last_cause() const {
    return history_.last_error() ? std::optional{history_.last_error()->failure.cause} : std::nullopt;
  }
  bool standing_by() const { return std::holds_alternative<StandingBy>(state_.phase); }
  bool has_no_listener() const { return holdfast::has_no_listener(state_.phase); }
  void set_log_level(LogLevel level) { log_level_ = level; }
  const TunnelSpec& spec() const { return *spec_; }
  TunnelReport report(TimePoint now) const { return report_of(spec(), state_, history_, facts(), now); }
  /// Reports on a runner that has not taken the tunnel over yet.
  ChangeReport report_as_change(TimePoint now) const { return change_report_of(spec(), state_, history_, now); }
  /// At the IP level, both ways, of all sessions.
  std::uint64_t wire_bytes() const { return earlier_wire_bytes_ + (attempt_ ? attempt_->wire_bytes() : 0); }
  /// Changes whenever somebody connects through the tunnel, and with each attempt at a session.
  std::uint64_t activity() const;
  bool idle() const { return connections_.open_count() == 0; }
  /// Where a relay was connected to last; empty: nowhere yet.
  std::string last_address() const;
  /// LiveAttempt::ask_relay().
  void ask_relay() {
    if (attempt_) attempt_->ask_relay();
  }
  Attempt attempt() const { return state_.attempt; }
  std::optional<TimePoint> answered_at() const { return attempt_ ? attempt_->answered_at() : std::nullopt; }
  std::uint64_t bytes_received() const { return attempt_ ? attempt_->traffic().bytes_received : 0; }
  bool wedged(TimePoint now) const { return is_wedged(state_, now); }

 private:
  void on_event(SessionEvent event) override;
  void on_facts_changed() override { changed_(); }
  void say(LogLevel level, const std::string& text) override { write_log(level, text, std::nullopt); }

  void note_phase_change();
  TunnelFacts facts() const;

  void perform(const Dial& dial);
  void perform(const LookAtRelay& look);
  void perform(const SendHeartbeat&);
  void perform(const ParkSession&);
  void perform(const ResetParked&);
  void perform(const DropSession&);
  void perform(const Happened& news);
  template <class ActionOfAttempt>
  void perform(const ActionOfAttempt& action) {
    attempt_->perform(action);
  }

  void write_log(LogLevel level, const std::string& text, std::optional<Cause> cause) const;

  const Surroundings around_;
  const SharedSpec spec_;  ///< its relays in this device's order of preference
  const record::StepRecorder recorder_;
  LogLevel log_level_;
  const std::function<void()> changed_;
  TunnelState state_;
  TunnelMemory memory_;
  Alarm alarm_;
  forward::Connections connections_;
  std::optional<net::ParkedSocket> parked_;
  History history_;
  TunnelLog log_;
  TunnelFacts past_;  ///< bytes: of the attempts that are over
  std::uint64_t earlier_wire_bytes_ = 0;
  std::unique_ptr<LiveAttempt> attempt_;  ///< the one that `state_` is about; last, for it tells us of its end
};

}  // namespace holdfast::supervisor
