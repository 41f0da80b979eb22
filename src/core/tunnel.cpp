#include "holdfast/tunnel.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "holdfast/overloaded.hpp"

namespace holdfast {
namespace {

/// What closing channels, SSH_MSG_DISCONNECT and FIN may take before the socket is simply dropped.
constexpr Duration teardown_timeout = std::chrono::seconds{5};

std::string_view operation_of(OpeningPhase phase) {
  switch (phase) {
    case OpeningPhase::resolve:
      return "resolve";
    case OpeningPhase::connect:
      return "connect";
    case OpeningPhase::banner:
      return "read banner of";
    case OpeningPhase::key_exchange:
      return "exchange keys with";
    case OpeningPhase::authenticate:
      return "authenticate at";
  }
  std::abort();
}

Cause cause_of_timeout(OpeningPhase phase) {
  switch (phase) {
    case OpeningPhase::resolve:
      return Cause::resolver_unavailable;
    case OpeningPhase::connect:
      return Cause::connection_timed_out;
    case OpeningPhase::banner:
    case OpeningPhase::key_exchange:
    case OpeningPhase::authenticate:
      return Cause::phase_timed_out;
  }
  std::abort();
}

bool any_in(const ForwardTable& forwards, ForwardState state) {
  return std::any_of(forwards.begin(), forwards.end(),
                     [&](const ForwardProgress& forward) { return forward.state == state; });
}

/// One step under way: the state being changed and the actions collected so far.
class Transition {
 public:
  Transition(const TunnelSpec& spec, TunnelState state, TimePoint now, const UnitRandom& jitter)
      : spec_(spec), state_(std::move(state)), now_(now), jitter_(jitter) {}

  Step take() && { return {std::move(state_), std::move(actions_)}; }

  // ---- someone asked -------------------------------------------------------------------------------------------

  void on(const Start&) {
    if (std::holds_alternative<Idle>(state_.phase)) begin_attempt();
  }

  void on(const StopRequested&) {
    std::visit(overloaded{[&](Idle&) { stop(); }, [&](BackingOff&) { stop(); }, [&](Opening&) { drop_and_stop(); },
                          [&](RequestingForwards& requesting) { drain(std::move(requesting.forwards), ThenStop{}); },
                          [&](Established& established) { drain(std::move(established.forwards), ThenStop{}); },
                          [&](Draining& draining) { draining.after = ThenStop{}; },
                          [&](Closing& closing) { closing.after = ThenStop{}; }, [](Stopped&) {}},
               state_.phase);
  }

  void on(const StopNow&) {
    std::visit(overloaded{[&](Idle&) { stop(); }, [&](BackingOff&) { stop(); }, [&](Opening&) { drop_and_stop(); },
                          [&](RequestingForwards&) { drop_and_stop(); }, [&](Established&) { drop_and_stop(); },
                          [&](Draining&) { drop_and_stop(); }, [&](Closing&) { drop_and_stop(); }, [](Stopped&) {}},
               state_.phase);
  }

  void on(const ReconnectRequested&) {
    const auto drain_and_retry = [&](ForwardTable forwards) {
      drain(std::move(forwards), ThenRetry{{Cause::operator_request, "reconnect", relay_name(spec_), ""}});
    };
    std::visit(overloaded{[](Idle&) {}, [&](BackingOff&) { begin_attempt(); },
                          [&](Opening&) {
                            act(DropSession{});
                            begin_attempt();
                          },
                          [&](RequestingForwards& requesting) { drain_and_retry(std::move(requesting.forwards)); },
                          [&](Established& established) { drain_and_retry(std::move(established.forwards)); },
                          [](Draining&) {}, [](Closing&) {}, [](Stopped&) {}},
               state_.phase);
  }

  // ---- time passed ---------------------------------------------------------------------------------------------

  void on(const TimerExpired&) {
    const auto due = next_deadline(state_);
    if (!due || now_ < *due) return;
    std::visit(overloaded{[](Idle&) {},
                          [&](Opening& opening) {
                            fail({cause_of_timeout(opening.phase), std::string{operation_of(opening.phase)},
                                  relay_name(spec_), "no answer within " + to_text(spec_.connect_timeout)});
                          },
                          [&](RequestingForwards&) { fail(unanswered_listen()); },
                          [&](Established& established) { established_timer(established); },
                          [&](Draining& draining) { close(std::move(draining.after)); },
                          [&](Closing& closing) {
                            act(DropSession{});
                            finish(std::move(closing.after));
                          },
                          [&](BackingOff&) { begin_attempt(); }, [](Stopped&) {}},
               state_.phase);
  }

  // ---- the session reported ------------------------------------------------------------------------------------

  void on(const OfSession& of_session) {
    if (of_session.attempt != state_.attempt) return;
    std::visit([&](const auto& event) { on_session(event); }, of_session.event);
  }

 private:
  void on_session(const PhaseCompleted& completed) {
    auto* opening = std::get_if<Opening>(&state_.phase);
    if (opening == nullptr || opening->phase != completed.phase) return;
    switch (completed.phase) {
      case OpeningPhase::resolve:
        enter(OpeningPhase::connect);
        break;
      case OpeningPhase::connect:
        act(OpenSession{});
        enter(OpeningPhase::banner);
        break;
      case OpeningPhase::banner:
        enter(OpeningPhase::key_exchange);
        break;
      case OpeningPhase::key_exchange:
        act(Authenticate{});
        enter(OpeningPhase::authenticate);
        break;
      case OpeningPhase::authenticate:
        state_.phase = RequestingForwards{phase_deadline(), ForwardTable(spec_.remote_forward.size())};
        request_next(std::get<RequestingForwards>(state_.phase));
        break;
    }
  }

  void on_session(const ForwardAnswered& answer) {
    if (auto* requesting = std::get_if<RequestingForwards>(&state_.phase)) {
      if (!record(requesting->forwards, answer)) return;
      if (!answer.bound_port && spec_.exit_on_forward_failure) {
        close(ThenRetry{refused_listen(answer.forward)});
      } else {
        request_next(*requesting);
      }
    } else if (auto* established = std::get_if<Established>(&state_.phase)) {
      if (!record(established->forwards, answer)) return;
      announce(
          answer.bound_port ? LogLevel::info : LogLevel::verbose,
          (answer.bound_port ? "now holding " : "still refused: ") + forward_text(answer.forward, answer.bound_port));
      ask_next(*established);
    }
  }

  void on_session(const ListenerCancelled& cancelled) {
    auto* draining = std::get_if<Draining>(&state_.phase);
    if (draining == nullptr || cancelled.forward >= draining->forwards.size()) return;
    draining->forwards[cancelled.forward] = {};
    close_if_drained(*draining);
  }

  void on_session(const Received& received) {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr) return;
    established->liveness.received_bytes(now_);
    if (received.whole_packet) established->liveness.received_packet();
  }

  void on_session(const ConnectionsDrained&) {
    auto* draining = std::get_if<Draining>(&state_.phase);
    if (draining == nullptr) return;
    draining->connections_open = false;
    close_if_drained(*draining);
  }

  void on_session(const SessionFailed& failed) {
    const auto end = [&](AfterClosing after) {
      act(DropSession{});
      finish(std::move(after));
    };
    std::visit(
        overloaded{[](Idle&) {}, [](BackingOff&) {}, [](Stopped&) {}, [&](Opening&) { fail(failed.failure); },
                   [&](RequestingForwards&) { fail(failed.failure); }, [&](Established&) { fail(failed.failure); },
                   [&](Draining& draining) { end(std::move(draining.after)); },
                   [&](Closing& closing) { end(std::move(closing.after)); }},
        state_.phase);
  }

  void on_session(const SessionClosed&) {
    auto* closing = std::get_if<Closing>(&state_.phase);
    if (closing == nullptr) return;
    act(DropSession{});
    finish(std::move(closing->after));
  }

  // ---- opening -------------------------------------------------------------------------------------------------

  void begin_attempt() {
    ++state_.attempt;
    act(Dial{});
    enter(OpeningPhase::resolve);
  }

  void enter(OpeningPhase phase) { state_.phase = Opening{phase, phase_deadline()}; }

  TimePoint phase_deadline() const { return now_ + spec_.connect_timeout; }

  // ---- forwards ------------------------------------------------------------------------------------------------

  /// False for an answer to a question that is not open.
  static bool record(ForwardTable& forwards, const ForwardAnswered& answer) {
    if (answer.forward >= forwards.size()) return false;
    ForwardProgress& forward = forwards[answer.forward];
    if (forward.state != ForwardState::requested) return false;
    forward = answer.bound_port ? ForwardProgress{ForwardState::held, *answer.bound_port}
                                : ForwardProgress{ForwardState::refused, 0};
    return true;
  }

  /// Asks for the next pending forward, those whose port the relay chooses first: libssh reads the port of such an
  /// answer from the last packet, and before the first listener stands no other packet can come between.
  bool request_pending(ForwardTable& forwards) {
    std::optional<std::size_t> next;
    for (std::size_t index = 0; index < forwards.size(); ++index) {
      if (forwards[index].state != ForwardState::pending) continue;
      if (!next || (spec_.remote_forward[index].port == 0 && spec_.remote_forward[*next].port != 0)) next = index;
    }
    if (!next) return false;
    forwards[*next].state = ForwardState::requested;
    act(RequestForward{*next});
    return true;
  }

  void request_next(RequestingForwards& requesting) {
    if (request_pending(requesting.forwards)) {
      requesting.deadline = phase_deadline();
      return;
    }
    Established established{now_, Liveness{spec_.liveness, now_}, std::move(requesting.forwards), std::nullopt};
    announce_established(established.forwards);
    if (any_in(established.forwards, ForwardState::refused))
      established.ask_again = now_ + next_wait(Cause::forward_refused);
    state_.phase = std::move(established);
  }

  void ask_next(Established& established) {
    if (request_pending(established.forwards)) {
      // A hole in the signal delays the answer as well: whether the relay still lives is for the liveness rule to say.
      established.ask_again.reset();
      if (!established.liveness.next_deadline()) established.ask_again = phase_deadline();
    } else if (any_in(established.forwards, ForwardState::refused)) {
      established.ask_again = now_ + next_wait(Cause::forward_refused);
    } else {
      established.ask_again.reset();
    }
  }

  void established_timer(Established& established) {
    if (established.ask_again && now_ >= *established.ask_again) {
      if (any_in(established.forwards, ForwardState::requested)) return fail(unanswered_listen());
      for (ForwardProgress& forward : established.forwards) {
        if (forward.state == ForwardState::refused) forward.state = ForwardState::pending;
      }
      ask_next(established);
    }
    switch (established.liveness.expired(now_)) {
      case Liveness::Verdict::alive:
        break;
      case Liveness::Verdict::send_probe:
        act(SendKeepalive{});
        break;
      case Liveness::Verdict::dead:
        fail({Cause::relay_silent, "keep alive", relay_name(spec_),
              std::to_string(spec_.liveness.server_alive_count_max) + " probes unanswered"});
        break;
    }
  }

  // ---- the way down --------------------------------------------------------------------------------------------

  void drain(ForwardTable forwards, AfterClosing after) {
    announce(LogLevel::info, "giving up the listeners and draining connections");
    act(DrainConnections{});
    for (std::size_t index = 0; index < forwards.size(); ++index) {
      ForwardProgress& forward = forwards[index];
      // One that was only asked for may be granted after our cancellation was queued behind it: cancel it as well.
      if (forward.state == ForwardState::held || forward.state == ForwardState::requested) {
        act(CancelForward{index});
        forward.state = ForwardState::held;
      } else {
        forward = {};
      }
    }
    state_.phase = Draining{now_ + spec_.drain_timeout, std::move(forwards), true, std::move(after)};
  }

  void close_if_drained(Draining& draining) {
    if (draining.connections_open || any_in(draining.forwards, ForwardState::held)) return;
    close(std::move(draining.after));
  }

  void close(AfterClosing after) {
    act(CloseSession{});
    state_.phase = Closing{now_ + teardown_timeout, std::move(after)};
  }

  void finish(AfterClosing after) {
    std::visit(overloaded{[&](ThenStop&) { stop(); }, [&](ThenRetry& retry) { back_off(std::move(retry.failure)); }},
               after);
  }

  /// Nothing of the session is worth a polite end.
  void fail(Failure failure) {
    act(DropSession{});
    back_off(std::move(failure));
  }

  void back_off(Failure failure) {
    if (failure.cause == Cause::operator_request) return begin_attempt();
    if (const auto* established = std::get_if<Established>(&state_.phase);
        established != nullptr && now_ - established->since >= spec_.backoff.reset_after) {
      state_.backoff.reset();
    }
    const Duration wait = next_wait(failure.cause);
    announce(LogLevel::error,
             describe(failure) + "; next try in " + to_text(wait) + ". " + std::string{remedy(failure.cause)}, failure);
    state_.phase = BackingOff{now_ + wait, std::move(failure)};
  }

  Duration next_wait(Cause cause) { return state_.backoff.next_wait(spec_.backoff, cause, jitter_); }

  void drop_and_stop() {
    act(DropSession{});
    stop();
  }

  void stop() {
    announce(LogLevel::info, "stopped");
    state_.phase = Stopped{};
  }

  // ---- words ---------------------------------------------------------------------------------------------------

  void act(TunnelAction action) { actions_.push_back(std::move(action)); }

  void announce(LogLevel level, std::string text, std::optional<Failure> failure = std::nullopt) {
    act(Announce{level, std::move(text), std::move(failure)});
  }

  std::string forward_text(std::size_t index, std::optional<std::uint16_t> bound_port = std::nullopt) const {
    const RemoteForward& forward = spec_.remote_forward[index];
    RemoteForward shown = forward;
    if (bound_port) shown.port = *bound_port;
    return listener_name(shown) + " -> " + target_name(forward.target);
  }

  void announce_established(const ForwardTable& forwards) {
    std::string held;
    for (std::size_t index = 0; index < forwards.size(); ++index) {
      if (forwards[index].state == ForwardState::held) {
        held += (held.empty() ? "" : ", ") + forward_text(index, forwards[index].bound_port);
      }
    }
    announce(LogLevel::info, "established: " + (held.empty() ? "holding nothing yet" : held));
    for (std::size_t index = 0; index < forwards.size(); ++index) {
      if (forwards[index].state != ForwardState::refused) continue;
      const Failure failure = refused_listen(index);
      announce(LogLevel::error, describe(failure) + "; asking again. " + std::string{remedy(failure.cause)}, failure);
    }
  }

  Failure refused_listen(std::size_t index) const {
    return {Cause::forward_refused, "listen on relay", listener_name(spec_.remote_forward[index]), ""};
  }

  Failure unanswered_listen() const {
    return {Cause::phase_timed_out, "listen on relay", relay_name(spec_),
            "no answer within " + to_text(spec_.connect_timeout)};
  }

  const TunnelSpec& spec_;
  TunnelState state_;
  TimePoint now_;
  const UnitRandom& jitter_;
  std::vector<TunnelAction> actions_;
};

}  // namespace

Step step(const TunnelSpec& spec, TunnelState state, const TunnelEvent& event, TimePoint now,
          const UnitRandom& jitter) {
  Transition transition{spec, std::move(state), now, jitter};
  std::visit([&](const auto& happened) { transition.on(happened); }, event);
  return std::move(transition).take();
}

}  // namespace holdfast
