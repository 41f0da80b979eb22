#include "holdfast/tunnel.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "holdfast/overloaded.hpp"
#include "holdfast/relays.hpp"

namespace holdfast {
namespace {

constexpr Duration lease_retry = std::chrono::minutes{10};  ///< for a script that ended though its session lives
/// What closing channels, SSH_MSG_DISCONNECT and FIN may take before the socket is simply dropped.
constexpr Duration teardown_timeout = std::chrono::seconds{5};
/// How long a session asks again for a listener that somebody holds before it starts over with a new session, which
/// costs forty times as much.
constexpr Duration hold_limit = std::chrono::minutes{10};
/// The same while another relay may give what this one refuses; an eviction that is under way is not cut short by it.
constexpr Duration hold_limit_among_relays = std::chrono::seconds{10};
/// How long a session may owe a packet after the network changed under it, besides what TCP needs to repeat what it
/// sent into a hole before; and how long at most.
constexpr Duration proof_timeout = std::chrono::seconds{5};
constexpr Duration longest_proof_timeout = std::chrono::seconds{30};
/// The same if its packets now leave by another link, with an address that belongs elsewhere: most networks drop them.
constexpr Duration proof_timeout_when_moved = std::chrono::seconds{1};
/// TCP's own retries of a SYN come after 1, 3, 7, 15 s: a young outage is met by fresh attempts instead.
constexpr Duration first_connect_timeout = std::chrono::seconds{3};
/// With another relay to turn to, a name server that does not answer is not waited for longer than glibc's first retry,
/// which comes after 5 s.
constexpr Duration first_resolve_timeout = std::chrono::seconds{6};
/// How long the log is silent about a failure that only repeats itself.
constexpr Duration repetition_quiet = std::chrono::minutes{1};
/// For a banner of a better relay.
constexpr Duration look_timeout = std::chrono::seconds{10};
/// A banner that is older says nothing about now: whoever was connected stayed for long.
constexpr Duration look_holds = std::chrono::minutes{1};

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

Cause cause_of(Refusal refusal) {
  switch (refusal) {
    case Refusal::unexplained:
    case Refusal::policy:
      return Cause::forward_refused;
    case Refusal::held_live:
      return Cause::listener_held_live;
    case Refusal::held_stale:
      return Cause::listener_held_stale;
    case Refusal::held_by_other_device:
      return Cause::listener_held_by_other_device;
  }
  std::abort();
}

std::string detail_of(const Explanation& explanation) {
  switch (explanation.refusal) {
    case Refusal::unexplained:
      return "the relay gives no reason and lets nobody look";
    case Refusal::policy:
      return "nobody listens there, so the relay's rules forbid it";
    case Refusal::held_live:
      return "somebody answers on it";
    case Refusal::held_stale:
      return "it is open and silent";
    case Refusal::held_by_other_device:
      return "its name is " + explanation.holder;
  }
  std::abort();
}

bool any_held(const ForwardTable& forwards) {
  return std::any_of(forwards.begin(), forwards.end(),
                     [](const ForwardProgress& forward) { return forward.state == ForwardState::held; });
}

LiveSession* live_session(Phase& phase) {
  if (auto* requesting = std::get_if<RequestingForwards>(&phase)) return &requesting->session;
  if (auto* established = std::get_if<Established>(&phase)) return &established->session;
  return nullptr;
}

/// One step under way: the state being changed and the actions collected so far.
class Transition {
 public:
  Transition(const TunnelSpec& spec, TunnelState state, TimePoint now, const UnitRandom& jitter)
      : spec_(spec), state_(std::move(state)), now_(now), jitter_(jitter) {
    state_.relays.resize(relay_count());
  }

  Step take() && { return {std::move(state_), std::move(actions_)}; }

  // ---- someone asked -------------------------------------------------------------------------------------------

  void on(const Start&) {
    if (std::holds_alternative<Idle>(state_.phase)) begin_attempt(0);
  }

  void on(const StopRequested&) {
    std::visit(overloaded{[&](Idle&) { stop(); }, [&](BackingOff&) { stop(); }, [&](Opening&) { drop_and_stop(); },
                          [&](RequestingForwards& requesting) { drain(requesting.session, ThenStop{}); },
                          [&](Established& established) { drain(established.session, ThenStop{}); },
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
    const auto drain_and_retry = [&](const LiveSession& session) {
      drain(session, ThenRetry{{Cause::operator_request, "reconnect", here(), ""}});
    };
    state_.relays.start_over();
    std::visit(overloaded{[](Idle&) {}, [&](BackingOff&) { begin_attempt(0); }, [&](Opening&) { dial_again(); },
                          [&](RequestingForwards& requesting) { drain_and_retry(requesting.session); },
                          [&](Established& established) { drain_and_retry(established.session); }, [](Draining&) {},
                          [](Closing&) {}, [](Stopped&) {}},
               state_.phase);
  }

  // ---- time passed ---------------------------------------------------------------------------------------------

  void on(const TimerExpired& timer) {
    if (auto* session = live_session(state_.phase); session != nullptr && timer.acknowledged) {
      session->liveness.acknowledged(*timer.acknowledged);
    }
    const auto due = next_deadline(state_);
    if (!due || now_ < *due) return;
    std::visit(overloaded{[](Idle&) {},
                          [&](Opening& opening) {
                            fail({cause_of_timeout(opening.phase), std::string{operation_of(opening.phase)}, here(),
                                  "no answer within " + to_text(opening.deadline - opening.since)});
                          },
                          [&](RequestingForwards& requesting) { live_timer(requesting.session); },
                          [&](Established& established) {
                            live_timer(established.session);
                            fail_back_timer();
                          },
                          [&](Draining& draining) { draining_timer(draining); },
                          [&](Closing& closing) {
                            act(DropSession{});
                            finish(std::move(closing.after));
                          },
                          [&](BackingOff& waiting) { begin_attempt(waiting.relay); }, [](Stopped&) {}},
               state_.phase);
  }

  /// The way to the relay may be another one now: what waits is tried at once, what lives has to prove it.
  void on(const NetworkChanged& change) {
    std::visit(overloaded{[](Idle&) {},
                          [&](BackingOff& waiting) {
                            state_.relays.network_changed();
                            begin_attempt_unless_refused(waiting);
                          },
                          [&](Opening& opening) {
                            if (opening.phase != OpeningPhase::resolve && opening.phase != OpeningPhase::connect)
                              return;
                            rejuvenate_outage();
                            state_.relays.network_changed();
                            dial_again();
                          },
                          [&](RequestingForwards& requesting) { demand_proof(requesting.session, change); },
                          [&](Established& established) { demand_proof(established.session, change); },
                          [](Draining&) {}, [](Closing&) {}, [](Stopped&) {}},
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
        act(ResetParked{});
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
        hold();
        break;
    }
  }

  void on_session(const ForwardAnswered& answer) {
    if (auto* session = live_session(state_.phase))
      climb(*session, session->listeners.answered(answer, context(*session)));
  }

  void on_session(const Knocked& knock) {
    if (auto* session = live_session(state_.phase))
      climb(*session, session->listeners.knocked(knock, context(*session)));
  }

  void on_session(const Evicted& eviction) {
    auto* session = live_session(state_.phase);
    if (session == nullptr) return;
    const auto evictions_before = state_.relays.here().last_eviction;
    const auto actions = session->listeners.evicted(eviction, context(*session));
    if (state_.relays.here().last_eviction != evictions_before) {
      announce(LogLevel::info, "ended a dead session of this device, which held " +
                                   listener_name(spec_.remote_forward[eviction.forward]));
    }
    climb(*session, actions);
  }

  void on_session(const ProofAdvanced& news) {
    if (auto* established = std::get_if<Established>(&state_.phase)) {
      LiveSession& session = established->session;
      follow(session, session.proofs.advanced(news, proof_context(session)));
    }
  }

  void on_session(const LeaseOpened&) {
    if (auto* draining = std::get_if<Draining>(&state_.phase)) return lease_opened(draining->lease);
    auto* session = live_session(state_.phase);
    if (session == nullptr) return;
    lease_opened(session->lease);
    const ForwardTable& table = session->listeners.table();
    for (std::size_t index = 0; index < table.size(); ++index) {
      if (table[index].state == ForwardState::held) act(RecordLease{index});
    }
    climb(*session, session->listeners.lease_came_up(context(*session)));
  }

  void on_session(const LeaseLost& lost) {
    if (auto* draining = std::get_if<Draining>(&state_.phase)) draining->lease = {};
    if (auto* session = live_session(state_.phase)) lose_lease(*session, lost.reason);
  }

  void on_session(const ListenerCancelled& cancelled) {
    auto* draining = std::get_if<Draining>(&state_.phase);
    if (draining == nullptr || cancelled.forward >= draining->forwards.size()) return;
    draining->forwards[cancelled.forward] = {};
    close_if_drained(*draining);
  }

  void on_session(const Received& received) {
    auto* session = live_session(state_.phase);
    if (session == nullptr) return;
    session->liveness.received_bytes(now_);
    if (!received.whole_packet) return;
    session->liveness.received_packet();
    session->proof_due.reset();
  }

  void on_session(const ConnectionsDrained&) {
    auto* draining = std::get_if<Draining>(&state_.phase);
    if (draining == nullptr) return;
    draining->connections_open = false;
    close_if_drained(*draining);
  }

  void on_session(const RelayLookedAt& looked_at) {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr || !established->fail_back) return;
    const auto* looking = std::get_if<Looking>(&*established->fail_back);
    if (looking == nullptr) return;
    if (looked_at.failure) return not_back(*established, looking->relay, describe(*looked_at.failure));
    announce(LogLevel::verbose, "the better relay " + name_of(looking->relay) + " answers again");
    established->fail_back = AwaitingIdle{looking->relay, now_};
    act(AwaitIdle{});
  }

  void on_session(const ConnectionsIdle&) {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr || !established->fail_back) return;
    const auto* waiting = std::get_if<AwaitingIdle>(&*established->fail_back);
    if (waiting == nullptr) return;
    if (now_ - waiting->answered > look_holds) return look_at(*established, waiting->relay);
    announce(LogLevel::info, "going back to " + name_of(waiting->relay) + ", which answers again");
    drain(established->session, ThenFailBack{waiting->relay});
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

  void begin_attempt(std::size_t relay) {
    if (!state_.outage_since) state_.outage_since = now_;
    state_.relays.try_at(relay);
    ++state_.attempt;
    act(Dial{});
    enter(OpeningPhase::resolve);
  }

  void dial_again() {
    act(DropSession{});
    begin_attempt(state_.relays.best(now_).relay);
  }

  /// A refused key is not accepted because the device moved, and the relay may ban whoever knocks.
  void begin_attempt_unless_refused(const BackingOff& waiting) {
    const Cause cause = waiting.failure.cause;
    if (is_devices_own(cause) && backoff_family(cause) != BackoffFamily::network) return;
    const NextTry next = state_.relays.best(now_);
    if (next.at > now_) return;
    rejuvenate_outage();
    begin_attempt(next.relay);
  }

  void enter(OpeningPhase phase) { state_.phase = Opening{phase, now_, now_ + limit_of(phase)}; }

  /// Among several relays, one that does not answer in time is left for the next one.
  Duration limit_of(OpeningPhase phase) const {
    const bool alone = relay_count() == 1;
    switch (phase) {
      case OpeningPhase::resolve:
        return alone ? spec_.connect_timeout
                     : std::min(spec_.connect_timeout, std::max(first_resolve_timeout, connect_limit()));
      case OpeningPhase::connect:
        return connect_limit();
      case OpeningPhase::banner:
        return alone ? spec_.connect_timeout : connect_limit();
      case OpeningPhase::key_exchange:
      case OpeningPhase::authenticate:
        return spec_.connect_timeout;
    }
    std::abort();
  }

  /// What just changed may need a moment more before it carries packets: short attempts and waits again, as at first.
  void rejuvenate_outage() { state_.outage_since = now_; }

  Duration outage() const { return state_.outage_since ? now_ - *state_.outage_since : Duration::zero(); }

  Duration connect_limit() const {
    return std::min(spec_.connect_timeout, std::max(first_connect_timeout, outage() / 8));
  }

  // ---- the live session ----------------------------------------------------------------------------------------

  ListenerContext context(const LiveSession& session) {
    return {spec_, now_, session.lease.ready(), answer_timeout(session), state_.relays.here().last_eviction, jitter_};
  }

  /// A hole in the signal delays the answers of an established session as well: whether the relay still lives is for
  /// the liveness rule to say, where there is one.
  std::optional<Duration> answer_timeout(const LiveSession& session) const {
    if (std::holds_alternative<Established>(state_.phase) && session.liveness.next_deadline()) return std::nullopt;
    return spec_.connect_timeout;
  }

  /// The forwards are asked for first and the lease is opened beside them: an undisturbed start waits for no lease.
  void hold() {
    const std::size_t count = spec_.remote_forward.size();
    state_.phase =
        RequestingForwards{{Liveness{spec_.liveness, now_}, Listeners{count}, Proofs{count}, {}, {}, {}, {}}};
    LiveSession& session = std::get<RequestingForwards>(state_.phase).session;
    session.told.resize(count);
    session.told_proof.resize(count);
    state_.proof_history.paths.resize(count);
    const auto first = session.listeners.start(context(session));
    for (const ListenerAction& action : first) perform(action);
    want_lease(session);
    settle(session);
  }

  template <class SomeActions>
  void perform(const SomeActions& action) {
    std::visit([&](const auto& what) { act(what); }, action);
  }

  /// The listeners moved on: do what they ask for, tell what is new, and see whether the session is what it should be.
  void climb(LiveSession& session, const std::vector<ListenerAction>& actions) {
    for (const ListenerAction& action : actions) perform(action);
    want_lease(session);
    tell_changes(session);
    settle(session);
  }

  void settle(LiveSession& session) {
    auto* requesting = std::get_if<RequestingForwards>(&state_.phase);
    if (requesting == nullptr) return prove(session);
    if (!session.listeners.settled()) return;
    if (session.listeners.all_held() || !spec_.exit_on_forward_failure) {
      establish(*requesting);
      return prove(std::get<Established>(state_.phase).session);
    }
    const Duration limit = state_.relays.another_may_listen(now_) ? hold_limit_among_relays : hold_limit;
    const bool waited_long = now_ - *session.listeners.refused_since() >= limit;
    const ForwardTable& table = session.listeners.table();
    for (std::size_t index = 0; index < table.size(); ++index) {
      if (table[index].state != ForwardState::refused) continue;
      if (waited_long || table[index].explanation->refusal == Refusal::policy) {
        return close(ThenRetry{refused_listen(index, *table[index].explanation)});
      }
    }
  }

  void establish(RequestingForwards& requesting) {
    announce_established(requesting.session.listeners.table());
    state_.told.reset();
    state_.relays.established();
    state_.relays.plan_returns(relays_context());
    state_.phase = Established{now_, std::move(requesting.session), look_due()};
  }

  // ---- does a listener lead to its target? --------------------------------------------------------------------

  ProofContext proof_context(const LiveSession& session) {
    return {spec_, session.listeners.table(), now_, state_.proof_history, jitter_};
  }

  void prove(LiveSession& session) { follow(session, session.proofs.update(proof_context(session))); }

  /// The proofs moved on. A path that stays broken ends the session: politely, for the relay answers.
  void follow(LiveSession& session, const std::vector<ProofAction>& actions) {
    const bool concluded = std::any_of(actions.begin(), actions.end(), [](const ProofAction& action) {
      return std::holds_alternative<EndProof>(action);
    });
    for (const ProofAction& action : actions) perform(action);
    if (!concluded) return;
    tell_proofs(session);
    const auto broken = session.proofs.hopeless(state_.proof_history, now_);
    if (!broken) return;
    state_.proof_history.last_renewal = now_;
    ++state_.proof_history.renewals;
    drain(session, ThenRetry{*session.proofs.result(*broken)->failure});
  }

  /// A line when a result is another than before; the first good one is nothing to tell.
  void tell_proofs(LiveSession& session) {
    for (std::size_t index = 0; index < session.told_proof.size(); ++index) {
      const auto& proof = session.proofs.result(index);
      std::optional<ProofResult>& told = session.told_proof[index];
      if (!proof || told == proof->result) continue;
      const bool was_bad = told && is_bad(*told);
      const std::string forward = forward_text(index, session.listeners.table()[index].bound_port);
      told = proof->result;
      if (is_bad(proof->result)) {
        // Not the last error: that is why a session ended, and the status shows what a proof found elsewhere.
        act(Announce{LogLevel::error, describe(*proof->failure) + ". " + std::string{remedy(proof->failure->cause)},
                     proof->failure, false});
      } else if (proof->result == ProofResult::not_permitted) {
        announce(LogLevel::info, "can't be verified: " + forward + ". " + std::string{remedy(proof->failure->cause)});
      } else {
        announce(was_bad ? LogLevel::info : LogLevel::verbose, "verified: " + forward);
      }
    }
  }

  // ---- the lease -----------------------------------------------------------------------------------------------

  /// Beside the forwards, but not beside one whose port the relay is to choose: see Listeners::next().
  void want_lease(LiveSession& session) {
    const ForwardTable& table = session.listeners.table();
    bool port_awaited = false;
    for (std::size_t index = 0; index < table.size(); ++index) {
      const bool asked = table[index].state == ForwardState::pending || table[index].state == ForwardState::requested;
      port_awaited = port_awaited || (asked && spec_.remote_forward[index].port == 0);
    }
    if (spec_.lease && session.lease.state == LeaseProgress::State::absent && !port_awaited) open_lease(session.lease);
  }

  /// The script gives a silent device up when we would give up a silent relay. At least one heartbeat may be late.
  void open_lease(LeaseProgress& lease) {
    lease = {LeaseProgress::State::opening, now_ + spec_.connect_timeout};
    const LivenessSpec& liveness = spec_.liveness;
    act(OpenLease{std::max(longest_debt(liveness), probe_period(liveness) + liveness.server_alive_interval)});
  }

  void lease_opened(LeaseProgress& lease) {
    lease = {LeaseProgress::State::ready, std::nullopt};
    schedule_beat(lease);
  }

  void schedule_beat(LeaseProgress& lease) const {
    if (spec_.liveness.server_alive_interval > Duration::zero()) {
      lease.due = now_ + probe_period(spec_.liveness);
    }
  }

  void lose_lease(LiveSession& session, const std::string& reason) {
    const bool worked = session.lease.ready();
    session.lease = {LeaseProgress::State::lost, worked ? std::optional{now_ + lease_retry} : std::nullopt};
    announce(LogLevel::verbose, "no lease on the relay: " + reason);
    climb(session, session.listeners.lease_went(context(session)));
  }

  /// Of one that is being opened, or was lost.
  void lease_timer(LiveSession& session) {
    if (session.lease.state == LeaseProgress::State::lost) return open_lease(session.lease);
    act(EndLease{});
    lose_lease(session, "its script does not answer");
  }

  void beat(LeaseProgress& lease) {
    act(SendHeartbeat{});
    schedule_beat(lease);
  }

  /// A heartbeat's echo comes a round trip after it, and so a little after the silence that began with the echo before:
  /// what is on its way is the probe.
  bool has_just_beaten(const LeaseProgress& lease) const {
    const LivenessSpec& liveness = spec_.liveness;
    return lease.ready() && lease.due &&
           *lease.due - now_ > probe_period(liveness) - liveness.server_alive_interval / 2;
  }

  void draining_timer(Draining& draining) {
    if (draining.lease.due && now_ >= *draining.lease.due) beat(draining.lease);
    if (now_ >= draining.deadline) close(std::move(draining.after));
  }

  void demand_proof(LiveSession& session, const NetworkChanged& change) {
    if (!session.proof_due) act(SendKeepalive{});
    const Duration limit = std::min(proof_timeout + change.repetition, longest_proof_timeout);
    session.proof_due = now_ + (change.moved ? proof_timeout_when_moved : limit);
  }

  void live_timer(LiveSession& session) {
    if (session.proof_due && now_ >= *session.proof_due) return fail(silent("no answer after the network changed"));
    if (session.listeners.answer_overdue(now_)) return fail(unanswered_listen());
    if (session.lease.ready() && session.lease.due && now_ >= *session.lease.due) beat(session.lease);
    if (session.liveness.next_deadline() && now_ >= *session.liveness.next_deadline()) {
      switch (session.liveness.expired(now_)) {
        case Liveness::Verdict::dead:
          return fail(silent(std::to_string(spec_.liveness.server_alive_count_max) + " probes unanswered"));
        case Liveness::Verdict::unreachable:
          return fail(silent("nothing acknowledged for " + to_text(longest_silence(spec_.liveness))));
        case Liveness::Verdict::send_probe:
          if (!has_just_beaten(session.lease)) act(SendKeepalive{});
          break;
        case Liveness::Verdict::alive:
          break;
      }
    }
    // One of these at most, for each may end the session; what else is due comes with the next timer.
    if (session.lease.due && now_ >= *session.lease.due) return lease_timer(session);
    if (session.listeners.due() && now_ >= *session.listeners.due()) {
      return climb(session, session.listeners.expired(context(session)));
    }
    if (session.proofs.due() && now_ >= *session.proofs.due()) {
      follow(session, session.proofs.expired(proof_context(session)));
    }
  }

  /// A line for each listener that came to be held or turned out to be refused for another reason than before, and a
  /// lease for each new one that is held.
  void tell_changes(LiveSession& session) {
    const ForwardTable& table = session.listeners.table();
    for (std::size_t index = 0; index < table.size(); ++index) {
      const ForwardProgress& forward = table[index];
      std::optional<Told>& told = session.told[index];
      if (forward.state == ForwardState::held && told != Told{}) {
        told = Told{};
        if (std::holds_alternative<Established>(state_.phase)) {
          announce(LogLevel::info, "now holding " + forward_text(index, forward.bound_port));
        }
        if (session.lease.ready()) act(RecordLease{index});
      }
      if (forward.state == ForwardState::refused && told != Told{forward.explanation->refusal}) {
        told = Told{forward.explanation->refusal};
        const Failure failure = refused_listen(index, *forward.explanation);
        announce(LogLevel::error, describe(failure) + ". " + std::string{remedy(failure.cause)}, failure);
      }
    }
  }

  // ---- back to a better relay ----------------------------------------------------------------------------------

  std::optional<FailBack> look_due() const {
    const auto next = state_.relays.next_look();
    if (!next) return std::nullopt;
    return LookDue{*next};
  }

  void fail_back_timer() {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr || !established->fail_back) return;
    std::visit(overloaded{[&](const LookDue&) {
                            if (const auto relay = state_.relays.to_look_at(now_)) look_at(*established, *relay);
                          },
                          [&](const Looking& looking) {
                            if (now_ < looking.deadline) return;
                            act(EndLook{});
                            not_back(*established, looking.relay, "no answer within " + to_text(look_timeout));
                          },
                          [](const AwaitingIdle&) {}},
               FailBack{*established->fail_back});
  }

  void look_at(Established& established, std::size_t relay) {
    established.fail_back = Looking{relay, now_ + look_timeout};
    act(LookAtRelay{relay});
  }

  void not_back(Established& established, std::size_t relay, const std::string& reason) {
    const Duration wait = state_.relays.not_back(relay, relays_context());
    announce(LogLevel::verbose, "the better relay " + name_of(relay) + " is not back yet (" + reason +
                                    "); looked at again in " + to_text(wait));
    established.fail_back = look_due();
  }

  void fail_back_to(std::size_t relay) {
    state_.relays.go_back_to(relay);
    state_.outage_since = now_;
    begin_attempt(relay);
  }

  // ---- the way down --------------------------------------------------------------------------------------------

  void drain(const LiveSession& session, AfterClosing after) {
    announce(LogLevel::info, "giving up the listeners and draining connections");
    if (session.proofs.under_way()) act(EndProof{});
    act(DrainConnections{});
    ForwardTable forwards = session.listeners.table();
    for (std::size_t index = 0; index < forwards.size(); ++index) {
      ForwardProgress& forward = forwards[index];
      // One that was only asked for may be granted after our cancellation was queued behind it: cancel it as well.
      if (forward.state == ForwardState::held || forward.state == ForwardState::requested) {
        act(CancelForward{index});
        forward = {ForwardState::held, forward.bound_port, std::nullopt};
      } else {
        forward = {};
      }
    }
    LeaseProgress lease = session.lease;
    if (!lease.ready()) lease.due.reset();
    state_.phase = Draining{now_ + spec_.drain_timeout, std::move(forwards), true, lease, std::move(after)};
  }

  void close_if_drained(Draining& draining) {
    if (draining.connections_open || any_held(draining.forwards)) return;
    close(std::move(draining.after));
  }

  void close(AfterClosing after) {
    act(CloseSession{});
    state_.phase = Closing{now_ + teardown_timeout, std::move(after)};
  }

  void finish(AfterClosing after) {
    std::visit(overloaded{[&](ThenStop&) { stop(); }, [&](ThenRetry& retry) { back_off(std::move(retry.failure)); },
                          [&](ThenFailBack& then) { fail_back_to(then.relay); }},
               after);
  }

  /// Nothing of the session is worth a polite end. But its listener may outlive it on the relay, so that a dead live
  /// session's socket is kept, to be reset as soon as there is a path again.
  void fail(Failure failure) {
    if (live_session(state_.phase) != nullptr) {
      act(ParkSession{});
    } else {
      act(DropSession{});
    }
    back_off(std::move(failure));
  }

  void back_off(Failure failure) {
    if (failure.cause == Cause::operator_request) return begin_attempt(state_.relays.best(now_).relay);
    const auto* established = std::get_if<Established>(&state_.phase);
    const bool lasted = established != nullptr && now_ - established->since >= spec_.backoff.reset_after;
    if (lasted) state_.outage_since = now_;
    const NextTry next = state_.relays.failed(failure, lasted, outage(), relays_context());
    const bool elsewhere = next.relay != state_.relays.current();
    announce_failure(failure, std::string{"next try "} + (elsewhere ? "at " + name_of(next.relay) + " " : "") + "in " +
                                  to_text(next.at - now_));
    state_.phase = BackingOff{next.at, next.relay, std::move(failure)};
  }

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
    act(Announce{level, std::move(text), std::move(failure), true});
  }

  /// A young outage is met by many attempts: what fails again as before is told once a minute.
  void announce_failure(const Failure& failure, const std::string& next_try) {
    auto& told = state_.told;
    const bool repeated = told && told->failure == failure && now_ - told->at < repetition_quiet;
    const unsigned untold = repeated || !told ? 0 : told->repeated;
    const std::string times = untold == 0 ? "" : " (and " + std::to_string(untold) + " times before)";
    announce(repeated ? LogLevel::verbose : LogLevel::error,
             describe(failure) + times + "; " + next_try + ". " + std::string{remedy(failure.cause)}, failure);
    if (repeated) {
      ++told->repeated;
    } else {
      told = ToldFailure{failure, now_};
    }
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
      if (forwards[index].state != ForwardState::held) continue;
      held += (held.empty() ? "" : ", ") + forward_text(index, forwards[index].bound_port);
    }
    const std::string where = relay_count() > 1 ? " at " + here() : "";
    announce(LogLevel::info, "established" + where + ": " + (held.empty() ? "holding nothing yet" : held));
  }

  Failure refused_listen(std::size_t index, const Explanation& explanation) const {
    return {cause_of(explanation.refusal), "listen on relay", listener_name(spec_.remote_forward[index]),
            detail_of(explanation)};
  }

  Failure silent(std::string detail) const { return {Cause::relay_silent, "keep alive", here(), std::move(detail)}; }

  Failure unanswered_listen() const {
    return {Cause::phase_timed_out, "listen on relay", here(), "no answer within " + to_text(spec_.connect_timeout)};
  }

  // ---- the relays ----------------------------------------------------------------------------------------------

  std::size_t relay_count() const { return spec_.relays.empty() ? 1 : spec_.relays.size(); }
  std::string name_of(std::size_t relay) const { return relay_name(relays_of(spec_)[relay]); }
  std::string here() const { return name_of(state_.relays.current()); }
  Relays::Context relays_context() const { return {spec_, now_, jitter_}; }

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
