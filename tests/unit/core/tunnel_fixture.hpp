#pragma once

#include <string>

#include "holdfast/history.hpp"
#include "holdfast/step_words.hpp"
#include "holdfast/tunnel.hpp"
#include "holdfast/tunnel_log.hpp"

namespace holdfast::test {

using namespace std::chrono_literals;

/// Without a lease, and without proofs unless asked for: then every deadline is that of what is tested.
inline TunnelSpec spec_with(std::size_t forwards, Duration verify_interval = 0s) {
  TunnelSpec spec;
  spec.lease = false;
  spec.verify_interval = verify_interval;
  spec.name = "relay";
  spec.host_name = "relay.example";
  for (std::size_t index = 0; index < forwards; ++index) {
    spec.remote_forward.push_back({"localhost", static_cast<std::uint16_t>(4649 + index),
                                   TcpTarget{"localhost", static_cast<std::uint16_t>(22 + index)}});
  }
  return spec;
}

inline TunnelSpec leased(std::size_t forwards) {
  TunnelSpec spec = spec_with(forwards);
  spec.lease = true;
  return spec;
}

/// A tunnel whose clock and dice the test holds.
class SteppedTunnel {
 public:
  explicit SteppedTunnel(TunnelSpec tunnel_spec) : spec(std::move(tunnel_spec)) {}

  /// Feeds one event; what came of it is in `actions` and `lines`.
  SteppedTunnel& after(const TunnelEvent& event) {
    Step result = step(spec, state, event, now, [this] { return dice; });
    state = std::move(result.next);
    actions.clear();
    lines.clear();
    for (TunnelAction& action : result.actions) {
      if (const auto* happened = std::get_if<Happened>(&action)) {
        history.add({++told, now, wall, happened->what});
        if (auto line = log.line(spec, happened->what, now)) lines.push_back(std::move(*line));
      } else {
        actions.push_back(std::move(action));
      }
    }
    return *this;
  }

  SteppedTunnel& session(SessionEvent event) { return after(OfSession{state.attempt, std::move(event)}); }

  /// Jumps to the next deadline and lets the timer expire.
  SteppedTunnel& wait() {
    now = next_deadline(state).value();
    return after(TimerExpired{});
  }

  SteppedTunnel& open_until(OpeningPhase last, bool stand_by = false) {
    after(Start{stand_by});
    for (const OpeningPhase phase : {OpeningPhase::resolve, OpeningPhase::connect, OpeningPhase::banner,
                                     OpeningPhase::key_exchange, OpeningPhase::authenticate}) {
      if (phase == last) break;
      session(PhaseCompleted{phase});
    }
    return *this;
  }

  SteppedTunnel& authenticate() {
    open_until(OpeningPhase::authenticate);
    return session(PhaseCompleted{OpeningPhase::authenticate});
  }

  SteppedTunnel& stand_by() {
    open_until(OpeningPhase::authenticate, true);
    return session(PhaseCompleted{OpeningPhase::authenticate});
  }

  SteppedTunnel& establish() {
    authenticate();
    for (std::size_t index = 0; index < spec.remote_forward.size(); ++index) {
      session(ForwardAnswered{index, spec.remote_forward[index].port});
    }
    return *this;
  }

  std::string_view phase() const { return phase_name(state.phase); }

  const ForwardTable& table() const { return *forwards_of(state.phase); }

  template <class Wanted>
  const Wanted& in() const {
    return std::get<Wanted>(state.phase);
  }

  TunnelSpec spec;
  TunnelState state;
  TimePoint now{1h};
  WallTime wall{12345s};
  std::uint64_t told = 0;
  double dice = 0.5;
  std::vector<TunnelAction> actions;  ///< of the last step, without the log lines
  TunnelLog log;
  History history;
  std::vector<LogLine> lines;
};

using Actions = std::vector<TunnelAction>;

inline Failure lost() {
  return {Cause::connection_lost, "read from", "relay.example:22", "Connection reset by peer"};
}

}  // namespace holdfast::test
