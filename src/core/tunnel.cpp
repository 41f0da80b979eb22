#include "holdfast/tunnel.hpp"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <utility>

#include "core/opening.hpp"
#include "core/timers.hpp"
#include "core/tunnel_words.hpp"
#include "holdfast/enumerators.hpp"
#include "holdfast/overloaded.hpp"
#include "holdfast/relays.hpp"
#include "holdfast/words.hpp"

namespace holdfast {
namespace {

/// What closing channels, SSH_MSG_DISCONNECT and FIN may take before the socket is simply dropped.
constexpr Duration teardown_timeout = std::chrono::seconds{5};
/// A session that a timeout ends is opened again at once from this age on: at some 10 KB for each.
constexpr Duration shortest_worth_having = std::chrono::seconds{10};
/// How long a session asks again for a listener that somebody holds before it starts over with a new session, which
/// costs forty times as much.
constexpr Duration hold_limit = std::chrono::minutes{10};
/// hold_limit while another relay may give what this one refuses; it cuts no eviction short that is under way.
constexpr Duration hold_limit_among_relays = std::chrono::seconds{10};
/// How long a session may owe a packet after the network changed under it, besides what TCP needs to repeat what it
/// sent into a hole before; and how long at most.
constexpr Duration sign_timeout = std::chrono::seconds{5};
constexpr Duration longest_sign_timeout = std::chrono::seconds{30};
/// In the place of sign_timeout if its packets now leave by another link, with an address that belongs elsewhere: most
/// networks drop them.
constexpr Duration sign_timeout_when_moved = std::chrono::seconds{1};
/// What is on its way when TCP moves again gets so long to be answered.
constexpr Duration answer_time = std::chrono::seconds{5};

/// Cancels what is held, and what was only asked for: it may be granted after our cancellation was queued behind it.
std::vector<CancelForward> cancel(ForwardTable& forwards) {
  std::vector<CancelForward> actions;
  for (std::size_t index = 0; index < forwards.size(); ++index) {
    ForwardProgress& forward = forwards[index];
    if (forward.state == ForwardState::held || forward.state == ForwardState::requested) {
      actions.push_back({index});
      forward = {ForwardState::held, forward.bound_port, std::nullopt};
    } else {
      forward = {};
    }
  }
  return actions;
}

LiveSession* live_session(Phase& phase) {
  return const_cast<LiveSession*>(session_of(phase));
}

/// The session, if it has asked for its listeners; else null.
LiveSession* serving_session(Phase& phase) {
  return std::holds_alternative<StandingBy>(phase) ? nullptr : live_session(phase);
}

// ---- where an event may lead, besides the verdicts of a session's parts ------------------------------------------

struct TryAt {
  std::size_t relay{};
};
struct OpenOn {  ///< with this phase
  OpeningPhase phase{};
};
struct LoggedIn {};
struct AskForListeners {};  ///< from StandingBy
struct Finish {             ///< nothing of the session is left
  AfterClosing after;
};
struct BackOff {  ///< the attempt, or its session, is over
  Failure failure;
};
struct Stop {};

using Next =
    std::variant<Stay, Establish, Fail, Close, Drain, TryAt, OpenOn, LoggedIn, AskForListeners, Finish, BackOff, Stop>;

Next next_of(Verdict verdict) {
  return std::visit([](auto& what) -> Next { return std::move(what); }, verdict);
}

/// Why a session ends; null for an end that has no reason.
Failure* reason_of(AfterClosing& after) {
  auto* retry = std::get_if<ThenRetry>(&after);
  return retry == nullptr ? nullptr : &retry->failure;
}

/// One step under way: the state being changed and the actions collected so far. What is told an event changes the
/// parts, adds actions, and returns where it leads; the phase is replaced afterwards, by go(). TimerExpired alone goes
/// from inside its on(), once for each timer that is due, since each may end those that follow.
class Transition {
 public:
  Transition(const TunnelSpec& spec, TunnelState state, TimePoint now, const UnitRandom& jitter)
      : spec_(spec), state_(std::move(state)), now_(now), jitter_(jitter) {
    state_.failover.resize(relay_count());
  }

  void run(const TunnelEvent& event) {
    go(std::visit([this](const auto& happened) { return on(happened); }, event));
  }

  Step take() && { return {std::move(state_), std::move(actions_)}; }

 private:
  // ---- someone asked -------------------------------------------------------------------------------------------

  Next on(const Start& start) {
    if (!std::holds_alternative<Idle>(state_.phase)) return Stay{};
    state_.stands_by = start.stand_by;
    return TryAt{0};
  }

  Next on(const Proceed&) {
    state_.stands_by = false;
    if (!std::holds_alternative<StandingBy>(state_.phase)) return Stay{};
    return AskForListeners{};
  }

  Next on(const StopRequested&) {
    return std::visit(
        overloaded{[](Idle&) -> Next { return Stop{}; }, [](BackingOff&) -> Next { return Stop{}; },
                   [this](Opening&) { return drop(Stop{}); }, [](StandingBy&) -> Next { return Close{ThenStop{}}; },
                   [](RequestingForwards&) -> Next { return Drain{ThenStop{}}; },
                   [](Established&) -> Next { return Drain{ThenStop{}}; },
                   [](Draining& draining) { return then(draining.after, ThenStop{}); },
                   [](Closing& closing) { return then(closing.after, ThenStop{}); },
                   [](Stopped&) -> Next { return Stay{}; }},
        state_.phase);
  }

  Next on(const StopNow&) {
    return std::visit(
        overloaded{[](Idle&) -> Next { return Stop{}; }, [](BackingOff&) -> Next { return Stop{}; },
                   [this](Opening&) { return drop(Stop{}); }, [this](StandingBy&) { return drop(Stop{}); },
                   [this](RequestingForwards&) { return drop(Stop{}); }, [this](Established&) { return drop(Stop{}); },
                   [this](Draining&) { return drop(Stop{}); }, [this](Closing&) { return drop(Stop{}); },
                   [](Stopped&) -> Next { return Stay{}; }},
        state_.phase);
  }

  Next on(const ReconnectRequested&) {
    state_.failover.forgive_all();
    const AfterClosing retry = ThenRetry{reconnect_requested(here())};
    return std::visit(
        overloaded{[](Idle&) -> Next { return Stay{}; }, [](BackingOff&) -> Next { return TryAt{0}; },
                   [this](Opening&) { return dial_again(); }, [&](StandingBy&) -> Next { return Close{retry}; },
                   [&](RequestingForwards&) -> Next { return Drain{retry}; },
                   [&](Established&) -> Next { return Drain{retry}; }, [](Draining&) -> Next { return Stay{}; },
                   [](Closing&) -> Next { return Stay{}; }, [](Stopped&) -> Next { return Stay{}; }},
        state_.phase);
  }

  // ---- time passed ---------------------------------------------------------------------------------------------

  /// All that is due, in the order of the list, for as long as it is: what ends the session ends its timers.
  Next on(const TimerExpired& timer) {
    LiveSession* session = live_session(state_.phase);
    if (session != nullptr && timer.acknowledged) session->liveness.acknowledged(*timer.acknowledged);
    const auto first = next_deadline(state_);
    if (!first || now_ < *first) return Stay{};
    if (session != nullptr) {
      const bool stalled = timer.transport && stalls(*timer.transport);
      // A stall puts answers off, but none to a request for a listener: that one ends the session, ahead of the list.
      if (stalled && session->listeners.answer_overdue(now_)) return expired(Timer::listeners, timer.transport);
      if (stalled) session->judged_after = now_ + answer_time;
      if (session->judged_after && now_ >= *session->judged_after) session->judged_after.reset();
    }
    for (const Timer which : enumerators<Timer>) {
      const auto at = due(state_, which);
      if (at && now_ >= *at) go(expired(which, timer.transport));
    }
    return Stay{};
  }

  Next expired(Timer timer, const std::optional<TransportReport>& transport) {
    switch (timer) {
      case Timer::phase:
        return too_late(phase_timed_out(std::get<Opening>(state_.phase), here()), transport);
      case Timer::retry:
        return TryAt{std::get<BackingOff>(state_.phase).relay};
      case Timer::teardown:
        return drop(Finish{std::get<Closing>(state_.phase).after});
      case Timer::drain:
        return Close{std::get<Draining>(state_.phase).after};
      case Timer::sign:
        return too_late(relay_silent(here(), "no answer after the network changed"), transport);
      case Timer::listeners:
        return listeners_due(session(), transport);
      case Timer::lease:
        return lease_due();
      case Timer::silence:
        return silent(session(), transport);
      case Timer::proofs:
        return proofs_moved(session(), session().proofs.expired(turn(), state_.proof_history));
      case Timer::fail_back:
        add_all(std::get<Established>(state_.phase).fail_back.value().expired(turn(), state_.failover));
        return Stay{};
    }
    std::abort();
  }

  Next listeners_due(LiveSession& session, const std::optional<TransportReport>& transport) {
    if (session.listeners.answer_overdue(now_)) {
      return too_late(listen_unanswered(here(), spec_.connect_timeout), transport);
    }
    return listeners_moved(session, session.listeners.expired(turn()));
  }

  Next lease_due() {
    if (auto* draining = std::get_if<Draining>(&state_.phase)) {
      add_all(draining->lease.expired(turn()));
      return Stay{};
    }
    LeaseChannel& lease = session().lease;
    add_all(lease.expired(turn()));
    if (!lease.is_lost()) return Stay{};
    return listeners_moved(session(), session().listeners.lease_went(turn()));
  }

  Next silent(LiveSession& session, const std::optional<TransportReport>& transport) {
    const auto end = [&](std::string detail) { return too_late(relay_silent(here(), std::move(detail)), transport); };
    const LivenessSpec& spec = session.liveness.spec();
    switch (session.liveness.expired(now_)) {
      case Liveness::Outcome::dead:
        return end(std::to_string(spec.server_alive_count_max) + " probes unanswered");
      case Liveness::Outcome::unreachable:
        return end("nothing acknowledged for " + to_text(longest_silence(spec)));
      case Liveness::Outcome::send_probe:
        if (!session.lease.has_just_beaten(now_)) add(SendKeepalive{});
        return Stay{};
      case Liveness::Outcome::alive:
        return Stay{};
    }
    std::abort();
  }

  // ---- the network changed -------------------------------------------------------------------------------------

  /// The way to the relay may be another one now: what waits is tried at once, what lives has to prove it.
  Next on(const NetworkChanged& change) {
    state_.failover.forgive_addresses();
    state_.failover.network_changed(change.moved);
    if (auto* session = live_session(state_.phase)) demand_sign(*session, change);
    if (const auto* waiting = std::get_if<BackingOff>(&state_.phase)) return try_now_unless_refused(*waiting);
    const auto* opening = std::get_if<Opening>(&state_.phase);
    if (opening == nullptr || opening->phase > OpeningPhase::connect) return Stay{};
    rejuvenate_outage();
    return dial_again();
  }

  void demand_sign(LiveSession& session, const NetworkChanged& change) {
    if (!session.sign_due) add(SendKeepalive{});
    const Duration limit = std::min(sign_timeout + change.repetition, longest_sign_timeout);
    session.sign_due = now_ + (change.moved ? sign_timeout_when_moved : limit);
  }

  /// A refused key is not accepted because the device moved, and the relay may ban whoever knocks.
  Next try_now_unless_refused(const BackingOff& waiting) {
    const Cause cause = waiting.failure.cause;
    if (facts_of(cause).lies == Lies::in_device && facts_of(cause).family != BackoffFamily::network) return Stay{};
    const NextTry next = state_.failover.best(now_);
    if (next.at > now_) return Stay{};
    rejuvenate_outage();
    return TryAt{next.relay};
  }

  // ---- the session reported ------------------------------------------------------------------------------------

  Next on(const OfSession& of_session) {
    if (of_session.attempt != state_.attempt) return Stay{};
    return std::visit([this](const auto& event) { return on(event); }, of_session.event);
  }

  Next on(const PhaseCompleted& completed) {
    const auto* opening = std::get_if<Opening>(&state_.phase);
    if (opening == nullptr || opening->phase != completed.phase) return Stay{};
    switch (completed.phase) {
      case OpeningPhase::resolve:
        add(Connect{addresses().found(completed.found, now_)});
        return OpenOn{OpeningPhase::connect};
      case OpeningPhase::connect:
        addresses().connected(completed.address);
        add(ResetParked{});
        add(OpenSession{});
        return OpenOn{OpeningPhase::banner};
      case OpeningPhase::banner:
        state_.failover.here().server = completed.server;
        return OpenOn{OpeningPhase::key_exchange};
      case OpeningPhase::key_exchange:
        if (checks_host_key(spec_, relay_spec())) addresses().key_was_right();
        add(Authenticate{!state_.stands_by});
        return OpenOn{OpeningPhase::authenticate};
      case OpeningPhase::authenticate:
        addresses().key_was_right();
        return LoggedIn{};
    }
    std::abort();
  }

  Next on(const ForwardAnswered& answer) {
    auto* session = serving_session(state_.phase);
    if (session == nullptr) return Stay{};
    return listeners_moved(*session, session->listeners.answered(answer, turn()));
  }

  Next on(const Knocked& knock) {
    auto* session = serving_session(state_.phase);
    if (session == nullptr) return Stay{};
    return listeners_moved(*session, session->listeners.knocked(knock, turn()));
  }

  Next on(const Evicted& eviction) {
    auto* session = serving_session(state_.phase);
    if (session == nullptr) return Stay{};
    const auto actions = session->listeners.evicted(eviction, turn());
    if (auto& last = state_.failover.here().last_eviction; last != session->listeners.last_eviction()) {
      last = session->listeners.last_eviction();
      happened(ListenerFreed{eviction.forward});
    }
    return listeners_moved(*session, actions);
  }

  Next on(const ProofAdvanced& news) {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr) return Stay{};
    LiveSession& session = established->session;
    return proofs_moved(session, session.proofs.advanced(news, turn(), state_.proof_history));
  }

  Next on(const LeaseOpened&) {
    if (auto* draining = std::get_if<Draining>(&state_.phase)) draining->lease.opened(turn());
    auto* session = serving_session(state_.phase);
    if (session == nullptr) return Stay{};
    session->lease.opened(turn());
    // What is held is recorded first: ending a dead session takes the script seconds.
    add_all(session->lease.update(session->listeners.table(), turn()));
    return listeners_moved(*session, session->listeners.lease_came_up(turn()));
  }

  Next on(const LeaseLost& lost) {
    if (auto* draining = std::get_if<Draining>(&state_.phase)) {
      draining->lease.lost(lost.reason, turn());
      draining->lease.open_no_more();
    }
    auto* session = serving_session(state_.phase);
    if (session == nullptr) return Stay{};
    if (session->lease.ready()) state_.losses.add(LossOf::lease, lost.reason, now_);
    add_all(session->lease.lost(lost.reason, turn()));
    if (const auto timeout = session->lease.timeout()) {
      state_.failover.here().timeouts.lease_closed_after(*timeout, now_);
    }
    return listeners_moved(*session, session->listeners.lease_went(turn()));
  }

  Next on(const ListenerCancelled& cancelled) {
    auto* draining = std::get_if<Draining>(&state_.phase);
    if (draining == nullptr || cancelled.forward >= draining->forwards.size()) return Stay{};
    draining->forwards[cancelled.forward] = {};
    return close_if_drained(*draining);
  }

  Next on(const Received& received) {
    auto* session = live_session(state_.phase);
    if (session == nullptr) return Stay{};
    session->liveness.received_bytes(now_);
    if (!received.whole_packet) return Stay{};
    session->liveness.received_packet();
    session->sign_due.reset();
    return Stay{};
  }

  Next on(const TransportStalled& stalled) {
    auto* session = live_session(state_.phase);
    if (session == nullptr && !std::holds_alternative<Opening>(state_.phase)) return Stay{};
    const LargePackets packets = large_packets(stalled.transport);
    if (packets == LargePackets::lost_outbound || packets == LargePackets::lost_inbound) {
      return too_late(relay_silent(here(), ""), stalled.transport);
    }
    if (session == nullptr) return Stay{};
    if (stalls(stalled.transport)) session->judged_after = now_ + answer_time;
    if (misses_something(stalled.transport)) add(SendKeepalive{});
    return Stay{};
  }

  Next on(const ConnectionsDrained&) {
    auto* draining = std::get_if<Draining>(&state_.phase);
    if (draining == nullptr) return Stay{};
    draining->connections_open = false;
    return close_if_drained(*draining);
  }

  Next on(const RelayLookedAt& look) {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr || !established->fail_back) return Stay{};
    add_all(established->fail_back->looked_at(look, turn(), state_.failover));
    return Stay{};
  }

  Next on(const ConnectionsIdle&) {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr || !established->fail_back) return Stay{};
    auto conclusion = established->fail_back->idle(turn());
    add_all(conclusion.actions);
    return next_of(std::move(conclusion.verdict));
  }

  Next on(const SessionFailed& failed) {
    return std::visit(overloaded{[](Idle&) -> Next { return Stay{}; }, [](BackingOff&) -> Next { return Stay{}; },
                                 [&](Opening&) -> Next { return Fail{failed.failure}; },
                                 [&](StandingBy&) -> Next { return Fail{failed.failure}; },
                                 [&](RequestingForwards&) -> Next { return Fail{failed.failure}; },
                                 [&](Established&) -> Next { return Fail{failed.failure}; },
                                 [this](Draining& draining) { return drop(Finish{draining.after}); },
                                 [this](Closing& closing) { return drop(Finish{closing.after}); },
                                 [](Stopped&) -> Next { return Stay{}; }},
                      state_.phase);
  }

  Next on(const SessionClosed&) {
    const auto* closing = std::get_if<Closing>(&state_.phase);
    return closing == nullptr ? Next{Stay{}} : drop(Finish{closing->after});
  }

  // ---- what comes of it ----------------------------------------------------------------------------------------

  /// The listeners moved on: do what they ask for, tell what is new, and see whether the session is what it should be.
  Next listeners_moved(LiveSession& session, const std::vector<ListenerAction>& actions) {
    const ForwardTable& table = session.listeners.table();
    const bool requesting = std::holds_alternative<RequestingForwards>(state_.phase);
    add_all(actions);
    add_all(session.lease.update(table, turn()));
    for (const Happening& news : session.noticed.listeners(spec_, table, server())) {
      if (const auto* refused = std::get_if<ListenerRefused>(&news)) lose(LossOf::listener, refused->failure);
      happened(news);
    }
    if (requesting) return judge(session.listeners);
    add_all(session.proofs.update(table, turn()));
    return Stay{};
  }

  /// Is a session without all of its listeners worth having? That is for exit_on_forward_failure to say.
  Next judge(const Listeners& listeners) {
    if (!listeners.settled()) return Stay{};
    if (listeners.all_held() || !spec_.exit_on_forward_failure) return Establish{};
    const Duration limit = state_.failover.another_may_listen(now_) ? hold_limit_among_relays : hold_limit;
    const bool waited_long = now_ - listeners.refused_since().value() >= limit;
    const ForwardTable& table = listeners.table();
    for (std::size_t index = 0; index < table.size(); ++index) {
      if (table[index].state != ForwardState::refused) continue;
      const Explanation& explanation = table[index].explanation.value();
      if (!waited_long && explanation.refusal != Refusal::policy) continue;
      return Close{ThenRetry{listen_refused(spec_, index, explanation, server())}};
    }
    return Stay{};
  }

  /// The proofs moved on. A path that stays broken ends the session: politely, for the relay answers.
  Next proofs_moved(LiveSession& session, Conclusion<ProofAction> conclusion) {
    for (ProofAction& action : conclusion.actions) {
      if (auto* end = std::get_if<EndProof>(&action)) end->keep_channel = wants_channel(session);
    }
    add_all(conclusion.actions);
    for (const ProofChanged& news : session.noticed.proofs(session.listeners.table(), session.proofs)) {
      if (is_bad(news.proof.result)) lose(LossOf::path, news.proof.failure.value());
      happened(news);
    }
    return next_of(std::move(conclusion.verdict));
  }

  /// Sessions end here as those do that have no channel open (sshd's UnusedConnectionTimeout), and a lease, whose
  /// channel is one, is not to be had.
  bool wants_channel(const LiveSession& session) {
    return !session.lease.ready() && state_.failover.here().timeouts.end_sessions();
  }

  /// Nothing was answered in time. As likely as the relay it is the way there, of which TCP knows more.
  Next too_late(Failure failure, const std::optional<TransportReport>& transport) {
    if (transport) {
      state_.failover.here().segments.ended(large_packets_of_silent(*transport), transport->segment_size, now_);
      failure = explained(std::move(failure), *transport);
    }
    return Fail{std::move(failure)};
  }

  Next close_if_drained(Draining& draining) {
    if (draining.connections_open || !has_no_listener(state_.phase)) return Stay{};
    return Close{draining.after};
  }

  Next dial_again() { return drop(TryAt{state_.failover.best(now_).relay}); }

  Next drop(Next next) {
    add(DropSession{});
    return next;
  }

  static Next then(AfterClosing& after, AfterClosing wanted) {
    after = std::move(wanted);
    return Stay{};
  }

  // ---- the phases ----------------------------------------------------------------------------------------------

  /// Only an enter() replaces the phase, and only this calls it. Nothing that the former one held is in use by then.
  void go(Next next) {
    while (!std::holds_alternative<Stay>(next)) {
      next = std::visit([this](auto to) { return this->enter(std::move(to)); }, std::move(next));
    }
  }

  static Next enter(Stay) { return Stay{}; }

  Next enter(TryAt at) {
    if (!state_.outage_since) state_.outage_since = now_;
    state_.held_for.reset();
    state_.failover.try_at(at.relay);
    state_.failover.here().segments.attempt_begins(now_);
    ++state_.attempt;
    addresses().dial(relay_spec().host_name);
    add(Dial{});
    return OpenOn{OpeningPhase::resolve};
  }

  Next enter(OpenOn on) {
    const Duration limit = limit_of(on.phase, spec_, outage(), addresses().another_untried());
    state_.phase = Opening{on.phase, now_, now_ + limit};
    return Stay{};
  }

  Next enter(LoggedIn) {
    const std::size_t count = spec_.remote_forward.size();
    state_.proof_history.paths.resize(count);
    RelayProgress& relay = state_.failover.here();
    relay.timeouts.session_begins(now_);
    const LivenessSpec liveness = relay.timeouts.outlived_by(spec_.liveness);
    state_.phase =
        StandingBy{{Liveness{liveness, now_}, Listeners{count, spec_.connect_timeout, relay.last_eviction},
                    Proofs{count, server()}, LeaseChannel{liveness}, Noticed{count}, std::nullopt, std::nullopt}};
    if (!state_.stands_by) return AskForListeners{};
    happened(StandsBy{});
    return Stay{};
  }

  /// They are asked for first and the lease is opened beside them: an undisturbed start waits for no lease.
  Next enter(AskForListeners) {
    state_.phase = RequestingForwards{LiveSession{std::move(session())}};
    return listeners_moved(session(), session().listeners.start(turn()));
  }

  Next enter(Establish) {
    LiveSession session{std::move(this->session())};
    happened(SessionStands{state_.failover.current(), session.listeners.table()});
    state_.failover.established();
    // A hole in the signal delays the answers of an established session as well: whether the relay still lives is for
    // the liveness rule to say, where there is one.
    if (session.liveness.due()) session.listeners.await_answers();
    add_all(session.proofs.update(session.listeners.table(), turn()));
    state_.phase = Established{now_, std::move(session), FailBack::plan(turn(), state_.failover)};
    return Stay{};
  }

  Next enter(Drain drain) {
    leave(reason_of(drain.after));
    happened(DrainBegan{});
    LiveSession session = std::move(this->session());
    if (session.proofs.under_way()) add(EndProof{});
    add(DrainConnections{});
    ForwardTable forwards = session.listeners.table();
    for (const CancelForward& cancellation : cancel(forwards)) add(cancellation);
    session.lease.open_no_more();
    state_.phase = Draining{now_ + spec_.drain_timeout, std::move(forwards), true, std::move(session.lease),
                            std::move(drain.after)};
    return Stay{};
  }

  Next enter(Close close) {
    leave(reason_of(close.after));
    add(CloseSession{});
    state_.phase = Closing{now_ + teardown_timeout, std::move(close.after), has_no_listener(state_.phase)};
    return Stay{};
  }

  /// Nothing of the session is worth a polite end. But its listener may outlive it on the relay, so that a dead live
  /// session's socket is kept, to be reset as soon as there is a path again.
  Next enter(Fail fail) {
    leave(&fail.failure);
    if (session_of(state_.phase) != nullptr) {
      add(ParkSession{});
    } else {
      add(DropSession{});
    }
    return BackOff{std::move(fail.failure)};
  }

  Next enter(Finish finish) {
    return std::visit(overloaded{[](ThenStop&) -> Next { return Stop{}; },
                                 [](ThenRetry& retry) -> Next { return BackOff{std::move(retry.failure)}; },
                                 [this](ThenFailBack& back) { return go_back_to(back.relay); }},
                      finish.after);
  }

  Next enter(BackOff back_off) {
    Failure failure = with_remedy_for(server(), std::move(back_off.failure));
    const Reached reached = how_far(failure);
    if (reached == Reached::lasting_session) begin_new_outage();
    if (failure.cause == Cause::operator_request) return TryAt{state_.failover.best(now_).relay};
    if (failure.cause == Cause::relay_penalty) failure.detail += likely_reason(state_.failover.here());
    failure = addresses().explain(std::move(failure), here());
    const NextTry next = state_.failover.failed(failure, reached, outage(), turn());
    const bool elsewhere = next.relay != state_.failover.current();
    happened(AttemptFailed{failure, next.at - now_, elsewhere ? std::optional{next.relay} : std::nullopt});
    state_.phase = BackingOff{next.at, next.relay, std::move(failure)};
    return Stay{};
  }

  Next enter(Stop) {
    happened(TunnelStopped{});
    state_.phase = Stopped{};
    return Stay{};
  }

  // ---- the way down --------------------------------------------------------------------------------------------

  /// Every way down from a live session passes here: what has to be known of it afterwards is kept now, since the
  /// phases that follow don't hold it. `why`: what is wrong, if anything is; more may be known of it afterwards, for
  /// what ended this session may have ended those before.
  void leave(Failure* why) {
    const LiveSession* session = session_of(state_.phase);
    if (session == nullptr) return;
    const auto* established = std::get_if<Established>(&state_.phase);
    if (established != nullptr) state_.held_for = now_ - established->since;

    Timeouts& timeouts = state_.failover.here().timeouts;
    const bool closed =
        why != nullptr && (why->cause == Cause::connection_lost || why->cause == Cause::relay_disconnected);
    const auto timeout = timeouts.session_ended(session->liveness.ages(now_), closed, now_);
    if (why != nullptr && timeout) *why = ended_by(*timeout, std::move(*why), timeouts.outlived_by(spec_.liveness));
    if (established == nullptr) return;
    const bool lost = why != nullptr && why->cause != Cause::operator_request;
    if (lost) lose(LossOf::session, *why);
    happened(SessionEnded{lost ? std::optional{*why} : std::nullopt, *state_.held_for});
  }

  Reached how_far(const Failure& failure) const {
    if (const auto* opening = std::get_if<Opening>(&state_.phase)) {
      return opening->phase > OpeningPhase::banner ? Reached::login : Reached::nothing;
    }
    if (!state_.held_for) return Reached::nothing;
    // What a timeout ends again and again is better there most of the time than in ever longer waits.
    const bool timed_out = failure.cause == Cause::idle_timeout || failure.cause == Cause::session_timeout;
    const bool worth_having = timed_out && relay_count() == 1;
    const Duration lasting = spec_.backoff.reset_after;
    const Duration enough = worth_having ? std::min(shortest_worth_having, lasting) : lasting;
    return *state_.held_for >= enough ? Reached::lasting_session : Reached::session;
  }

  Next go_back_to(std::size_t relay) {
    begin_new_outage();
    state_.failover.go_back_to(relay);
    return TryAt{relay};
  }

  /// The session that has ended is no part of it.
  void begin_new_outage() {
    state_.outage_since = now_;
    state_.failover.held_long();
  }

  // ---- what comes of the step ----------------------------------------------------------------------------------

  void add(TunnelAction action) { actions_.push_back(std::move(action)); }

  template <class PartsAction>
  void add_all(const std::vector<PartsAction>& actions) {
    for (const PartsAction& action : actions) std::visit([this](const auto& what) { add(what); }, action);
  }

  void happened(Happening what) { add(Happened{std::move(what)}); }

  void lose(LossOf of, const Failure& why) { state_.losses.add(of, in_words(to_string(why.cause)), now_); }

  // ---- what it looks at ----------------------------------------------------------------------------------------

  Turn turn() const { return {spec_, now_, jitter_}; }

  /// Where there is one.
  LiveSession& session() {
    LiveSession* session = live_session(state_.phase);
    assert(session != nullptr);
    return *session;
  }

  Duration outage() const { return state_.outage_since ? now_ - *state_.outage_since : Duration::zero(); }

  /// What just changed may need a moment more before it carries packets: short attempts and waits again, as at first.
  void rejuvenate_outage() { state_.outage_since = now_; }

  std::size_t relay_count() const { return spec_.relays.empty() ? 1 : spec_.relays.size(); }
  std::string name_of(std::size_t relay) const { return relay_name(relays_of(spec_)[relay]); }
  std::string here() const { return name_of(state_.failover.current()); }
  RelaySpec relay_spec() const { return relays_of(spec_)[state_.failover.current()]; }
  const std::string& server() { return state_.failover.here().server; }
  Addresses& addresses() { return state_.failover.here().addresses; }

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
  transition.run(event);
  return std::move(transition).take();
}

}  // namespace holdfast
