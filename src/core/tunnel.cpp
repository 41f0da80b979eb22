#include "holdfast/tunnel.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "core/opening.hpp"
#include "core/tunnel_words.hpp"
#include "holdfast/overloaded.hpp"
#include "holdfast/relays.hpp"

namespace holdfast {
namespace {

/// What closing channels, SSH_MSG_DISCONNECT and FIN may take before the socket is simply dropped.
constexpr Duration teardown_timeout = std::chrono::seconds{5};
/// A session that a timeout ends is opened again at once from this age on: at some 10 KB for each.
constexpr Duration shortest_worth_having = std::chrono::seconds{10};
/// How long a session asks again for a listener that somebody holds before it starts over with a new session, which
/// costs forty times as much.
constexpr Duration hold_limit = std::chrono::minutes{10};
/// The same while another relay may give what this one refuses; an eviction that is under way is not cut short by it.
constexpr Duration hold_limit_among_relays = std::chrono::seconds{10};
/// How long a session may owe a packet after the network changed under it, besides what TCP needs to repeat what it
/// sent into a hole before; and how long at most.
constexpr Duration proof_timeout = std::chrono::seconds{5};
constexpr Duration longest_proof_timeout = std::chrono::seconds{30};
/// What is on its way when TCP moves again gets so long to be answered.
constexpr Duration answer_time = std::chrono::seconds{5};
/// The same if its packets now leave by another link, with an address that belongs elsewhere: most networks drop them.
constexpr Duration proof_timeout_when_moved = std::chrono::seconds{1};

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

/// The same, of a session that has asked for its listeners.
LiveSession* serving_session(Phase& phase) {
  return std::holds_alternative<StandingBy>(phase) ? nullptr : live_session(phase);
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

  void on(const Start& start) {
    if (!std::holds_alternative<Idle>(state_.phase)) return;
    state_.stands_by = start.stand_by;
    begin_attempt(0);
  }

  void on(const Proceed&) {
    state_.stands_by = false;
    auto* waiting = std::get_if<StandingBy>(&state_.phase);
    if (waiting != nullptr) request_forwards(std::move(waiting->session));
  }

  void on(const StopRequested&) {
    std::visit(overloaded{[&](Idle&) { stop(); }, [&](BackingOff&) { stop(); }, [&](Opening&) { drop_and_stop(); },
                          [&](StandingBy&) { close(ThenStop{}); },
                          [&](RequestingForwards& requesting) { drain(requesting.session, ThenStop{}); },
                          [&](Established& established) { drain(established.session, ThenStop{}); },
                          [&](Draining& draining) { draining.after = ThenStop{}; },
                          [&](Closing& closing) { closing.after = ThenStop{}; }, [](Stopped&) {}},
               state_.phase);
  }

  void on(const StopNow&) {
    std::visit(overloaded{[&](Idle&) { stop(); }, [&](BackingOff&) { stop(); }, [&](Opening&) { drop_and_stop(); },
                          [&](StandingBy&) { drop_and_stop(); }, [&](RequestingForwards&) { drop_and_stop(); },
                          [&](Established&) { drop_and_stop(); }, [&](Draining&) { drop_and_stop(); },
                          [&](Closing&) { drop_and_stop(); }, [](Stopped&) {}},
               state_.phase);
  }

  void on(const ReconnectRequested&) {
    const auto drain_and_retry = [&](const LiveSession& session) {
      drain(session, ThenRetry{reconnect_requested(here())});
    };
    state_.relays.start_over();
    std::visit(overloaded{[](Idle&) {}, [&](BackingOff&) { begin_attempt(0); }, [&](Opening&) { dial_again(); },
                          [&](StandingBy&) { close(ThenRetry{reconnect_requested(here())}); },
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
    std::visit(
        overloaded{[](Idle&) {}, [&](Opening& opening) { too_late(phase_timed_out(opening, here()), timer.transport); },
                   [&](StandingBy& waiting) { live_timer(waiting.session, timer.transport); },
                   [&](RequestingForwards& requesting) { live_timer(requesting.session, timer.transport); },
                   [&](Established& established) {
                     live_timer(established.session, timer.transport);
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
    state_.relays.forgive_addresses();
    state_.relays.network_changed(change.moved);
    std::visit(overloaded{[](Idle&) {}, [&](BackingOff& waiting) { begin_attempt_unless_refused(waiting); },
                          [&](Opening& opening) {
                            if (opening.phase != OpeningPhase::resolve && opening.phase != OpeningPhase::connect)
                              return;
                            rejuvenate_outage();
                            dial_again();
                          },
                          [&](StandingBy& waiting) { demand_proof(waiting.session, change); },
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
        act(Connect{addresses().found(completed.found, now_)});
        enter(OpeningPhase::connect);
        break;
      case OpeningPhase::connect:
        addresses().connected(completed.address);
        act(ResetParked{});
        act(OpenSession{});
        enter(OpeningPhase::banner);
        break;
      case OpeningPhase::banner:
        state_.relays.here().server = completed.server;
        enter(OpeningPhase::key_exchange);
        break;
      case OpeningPhase::key_exchange:
        if (checks_host_key(spec_, relay_spec())) addresses().key_was_right();
        act(Authenticate{!state_.stands_by});
        enter(OpeningPhase::authenticate);
        break;
      case OpeningPhase::authenticate:
        addresses().key_was_right();
        hold();
        break;
    }
  }

  void on_session(const ForwardAnswered& answer) {
    if (auto* session = serving_session(state_.phase))
      climb(*session, session->listeners.answered(answer, context(*session)));
  }

  void on_session(const Knocked& knock) {
    if (auto* session = serving_session(state_.phase))
      climb(*session, session->listeners.knocked(knock, context(*session)));
  }

  void on_session(const Evicted& eviction) {
    auto* session = serving_session(state_.phase);
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
    if (auto* draining = std::get_if<Draining>(&state_.phase)) return draining->lease.opened(lease_context());
    auto* session = serving_session(state_.phase);
    if (session == nullptr) return;
    session->lease.opened(lease_context());
    perform(session->lease.update(session->listeners.table(), lease_context()));
    climb(*session, session->listeners.lease_came_up(context(*session)));
  }

  void on_session(const LeaseLost& lost) {
    if (auto* draining = std::get_if<Draining>(&state_.phase)) {
      draining->lease.lost(lost.reason, lease_context());
      draining->lease.open_no_more();
    }
    auto* session = serving_session(state_.phase);
    if (session == nullptr) return;
    if (session->lease.ready()) state_.losses.add(LossOf::lease, lost.reason, now_);
    perform(session->lease.lost(lost.reason, lease_context()));
    if (const auto timeout = session->lease.timeout()) {
      state_.relays.here().timeouts.lease_closed_after(*timeout, now_);
    }
    climb(*session, session->listeners.lease_went(context(*session)));
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

  void on_session(const TransportStalled& stalled) {
    auto* session = live_session(state_.phase);
    if (session == nullptr && !std::holds_alternative<Opening>(state_.phase)) return;
    const LargePackets packets = large_packets(stalled.transport);
    if (packets == LargePackets::lost_outbound || packets == LargePackets::lost_inbound) {
      return too_late(relay_silent(here(), ""), stalled.transport);
    }
    if (session == nullptr) return;
    if (stalls(stalled.transport)) session->judged_after = now_ + answer_time;
    if (misses_something(stalled.transport)) act(SendKeepalive{});
  }

  void on_session(const ConnectionsDrained&) {
    auto* draining = std::get_if<Draining>(&state_.phase);
    if (draining == nullptr) return;
    draining->connections_open = false;
    close_if_drained(*draining);
  }

  void on_session(const RelayLookedAt& look) {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr || !established->fail_back) return;
    follow(*established, established->fail_back->looked_at(look, fail_back_context()));
  }

  void on_session(const ConnectionsIdle&) {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr || !established->fail_back) return;
    follow(*established, established->fail_back->idle(fail_back_context()));
  }

  void on_session(const SessionFailed& failed) {
    const auto end = [&](AfterClosing after) {
      act(DropSession{});
      finish(std::move(after));
    };
    std::visit(
        overloaded{[](Idle&) {}, [](BackingOff&) {}, [](Stopped&) {}, [&](Opening&) { fail(failed.failure); },
                   [&](StandingBy&) { fail(failed.failure); }, [&](RequestingForwards&) { fail(failed.failure); },
                   [&](Established&) { fail(failed.failure); },
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
    state_.held_for.reset();
    state_.relays.try_at(relay);
    state_.relays.here().segments.attempt_begins(now_);
    ++state_.attempt;
    addresses().dial(relay_spec().host_name);
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

  void enter(OpeningPhase phase) {
    const Duration limit = limit_of(phase, spec_, outage(), addresses().another_untried());
    state_.phase = Opening{phase, now_, now_ + limit};
  }

  /// What just changed may need a moment more before it carries packets: short attempts and waits again, as at first.
  void rejuvenate_outage() { state_.outage_since = now_; }

  Duration outage() const { return state_.outage_since ? now_ - *state_.outage_since : Duration::zero(); }

  /// Nothing was answered in time. As likely as the relay it is the way there, of which TCP knows more.
  void too_late(Failure failure, const std::optional<TransportReport>& transport) {
    if (transport) {
      state_.relays.here().segments.ended(large_packets_of_silent(*transport), transport->segment_size, now_);
      failure = explained(std::move(failure), *transport);
    }
    fail(std::move(failure));
  }

  // ---- the live session ----------------------------------------------------------------------------------------

  ListenerContext context(const LiveSession& session) {
    return {spec_, now_, session.lease.ready(), answer_timeout(session), state_.relays.here().last_eviction, jitter_};
  }

  LeaseContext lease_context() const { return {spec_, now_}; }

  /// A hole in the signal delays the answers of an established session as well: whether the relay still lives is for
  /// the liveness rule to say, where there is one.
  std::optional<Duration> answer_timeout(const LiveSession& session) const {
    if (std::holds_alternative<Established>(state_.phase) && session.liveness.next_deadline()) return std::nullopt;
    return spec_.connect_timeout;
  }

  void hold() {
    const std::size_t count = spec_.remote_forward.size();
    state_.proof_history.paths.resize(count);
    Timeouts& timeouts = state_.relays.here().timeouts;
    timeouts.session_begins(now_);
    const LivenessSpec liveness = timeouts.outlived_by(spec_.liveness);
    LiveSession session{Liveness{liveness, now_}, Listeners{count}, Proofs{count}, LeaseChannel{liveness},
                        ToldOfSession{count},     std::nullopt,     std::nullopt};
    if (!state_.stands_by) return request_forwards(std::move(session));
    announce(LogLevel::info, "logged in, and standing by");
    state_.phase = StandingBy{std::move(session)};
  }

  /// They are asked for first and the lease is opened beside them: an undisturbed start waits for no lease.
  void request_forwards(LiveSession standing) {
    state_.phase = RequestingForwards{std::move(standing)};
    LiveSession& session = std::get<RequestingForwards>(state_.phase).session;
    climb(session, session.listeners.start(context(session)));
  }

  /// The listeners moved on: do what they ask for, tell what is new, and see whether the session is what it should be.
  void climb(LiveSession& session, const std::vector<ListenerAction>& actions) {
    perform(actions);
    perform(session.lease.update(session.listeners.table(), lease_context()));
    const bool established = std::holds_alternative<Established>(state_.phase);
    for (const Announce& line : session.told.listeners(spec_, session.listeners.table(), established, server())) {
      if (line.failure) lose(LossOf::listener, *line.failure);
      act(state_.told.folded(line, now_));
    }
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
        leave(session, false);
        return close(ThenRetry{listen_refused(spec_, index, *table[index].explanation, server())});
      }
    }
  }

  void establish(RequestingForwards& requesting) {
    const std::string where = relay_count() > 1 ? " at " + here() : "";
    announce(LogLevel::info, "established" + where + ": " + held_forwards(spec_, requesting.session.listeners.table()));
    state_.told = {};
    state_.relays.established();
    state_.phase = Established{now_, std::move(requesting.session), FailBack::plan(fail_back_context())};
  }

  // ---- does a listener lead to its target? --------------------------------------------------------------------

  ProofContext proof_context(const LiveSession& session) {
    return {spec_, session.listeners.table(), now_, state_.proof_history, jitter_, server()};
  }

  void prove(LiveSession& session) { follow(session, session.proofs.update(proof_context(session))); }

  /// The proofs moved on. A path that stays broken ends the session: politely, for the relay answers.
  void follow(LiveSession& session, std::vector<ProofAction> actions) {
    bool concluded = false;
    for (ProofAction& action : actions) {
      auto* end = std::get_if<EndProof>(&action);
      if (end == nullptr) continue;
      end->keep_channel = wants_channel(session);
      concluded = true;
    }
    perform(actions);
    if (!concluded) return;
    for (const Announce& line : session.told.proofs(spec_, session.listeners.table(), session.proofs)) {
      if (line.failure) lose(LossOf::path, *line.failure);
      act(line);
    }
    const auto broken = session.proofs.hopeless(state_.proof_history, now_);
    if (!broken) return;
    state_.proof_history.last_renewal = now_;
    ++state_.proof_history.renewals;
    const Failure& failure = *session.proofs.result(*broken)->failure;
    lose(LossOf::session, failure);
    drain(session, ThenRetry{failure});
  }

  /// Sessions end here as those do that have no channel open (sshd's UnusedConnectionTimeout), and a lease, whose
  /// channel is one, is not to be had.
  bool wants_channel(const LiveSession& session) {
    return !session.lease.ready() && state_.relays.here().timeouts.end_sessions();
  }

  // ---- what is due on a session --------------------------------------------------------------------------------

  void demand_proof(LiveSession& session, const NetworkChanged& change) {
    if (!session.proof_due) act(SendKeepalive{});
    const Duration limit = std::min(proof_timeout + change.repetition, longest_proof_timeout);
    session.proof_due = now_ + (change.moved ? proof_timeout_when_moved : limit);
  }

  void live_timer(LiveSession& session, const std::optional<TransportReport>& transport) {
    if (session.proof_due && now_ >= *session.proof_due) {
      return too_late(relay_silent(here(), "no answer after the network changed"), transport);
    }
    const bool stalled = transport && stalls(*transport);
    if (stalled) session.judged_after = now_ + answer_time;
    const bool answers_may_come = session.judged_after && now_ < *session.judged_after;
    if (session.listeners.answer_overdue(now_) && (stalled || !answers_may_come)) {
      return too_late(listen_unanswered(here(), spec_.connect_timeout), transport);
    }
    perform(session.lease.beat(lease_context()));
    if (const auto silence = liveness_timer(session)) return too_late(relay_silent(here(), *silence), transport);
    if (answers_may_come) return;
    session.judged_after.reset();
    // One of these at most, for each may end the session; what else is due comes with the next timer.
    if (session.lease.due() && now_ >= *session.lease.due()) return lease_timer(session);
    if (session.listeners.due() && now_ >= *session.listeners.due()) {
      return climb(session, session.listeners.expired(context(session)));
    }
    if (session.proofs.due() && now_ >= *session.proofs.due()) {
      follow(session, session.proofs.expired(proof_context(session)));
    }
  }

  /// How the relay turned out to be silent, if it did.
  std::optional<std::string> liveness_timer(LiveSession& session) {
    if (!session.liveness.next_deadline() || now_ < *session.liveness.next_deadline()) return std::nullopt;
    switch (session.liveness.expired(now_)) {
      case Liveness::Verdict::dead:
        return std::to_string(session.liveness.spec().server_alive_count_max) + " probes unanswered";
      case Liveness::Verdict::unreachable:
        return "nothing acknowledged for " + to_text(longest_silence(session.liveness.spec()));
      case Liveness::Verdict::send_probe:
        if (!session.lease.has_just_beaten(lease_context())) act(SendKeepalive{});
        return std::nullopt;
      case Liveness::Verdict::alive:
        return std::nullopt;
    }
    std::abort();
  }

  void lease_timer(LiveSession& session) {
    perform(session.lease.expired(lease_context()));
    if (session.lease.is_lost()) climb(session, session.listeners.lease_went(context(session)));
  }

  void fail_back_timer() {
    auto* established = std::get_if<Established>(&state_.phase);
    if (established == nullptr || !established->fail_back) return;
    follow(*established, established->fail_back->expired(fail_back_context()));
  }

  void draining_timer(Draining& draining) {
    perform(draining.lease.beat(lease_context()));
    if (now_ >= draining.deadline) close(std::move(draining.after));
  }

  // ---- back to a better relay ----------------------------------------------------------------------------------

  FailBackContext fail_back_context() { return {spec_, now_, state_.relays, jitter_}; }

  void follow(Established& established, const std::vector<FailBackAction>& actions) {
    for (const FailBackAction& action : actions) {
      std::visit(overloaded{[&](const GoBack& back) { drain(established.session, ThenFailBack{back.relay}); },
                            [&](const auto& what) { act(what); }},
                 action);
    }
  }

  void fail_back_to(std::size_t relay) {
    start_over();
    state_.relays.go_back_to(relay);
    begin_attempt(relay);
  }

  // ---- the way down --------------------------------------------------------------------------------------------

  /// Every way down from a live session passes here: what has to be known of it afterwards is kept now, since the
  /// phases that follow don't hold it. `closed`: by the other side or between. The timeout that ended it, if one did.
  std::optional<Timeout> leave(const LiveSession& session, bool closed) {
    if (const auto* established = std::get_if<Established>(&state_.phase)) state_.held_for = now_ - established->since;
    return state_.relays.here().timeouts.session_ended(session.liveness.ages(now_), closed, now_);
  }

  void drain(const LiveSession& session, AfterClosing after) {
    leave(session, false);
    announce(LogLevel::info, "giving up the listeners and draining connections");
    if (session.proofs.under_way()) act(EndProof{});
    act(DrainConnections{});
    ForwardTable forwards = session.listeners.table();
    for (const CancelForward& cancellation : cancel(forwards)) act(cancellation);
    LeaseChannel lease = session.lease;
    lease.open_no_more();
    state_.phase = Draining{now_ + spec_.drain_timeout, std::move(forwards), true, std::move(lease), std::move(after)};
  }

  void close_if_drained(Draining& draining) {
    if (draining.connections_open || !has_no_listener(state_.phase)) return;
    close(std::move(draining.after));
  }

  void close(AfterClosing after) {
    act(CloseSession{});
    state_.phase = Closing{now_ + teardown_timeout, std::move(after), has_no_listener(state_.phase)};
  }

  void finish(AfterClosing after) {
    std::visit(overloaded{[&](ThenStop&) { stop(); }, [&](ThenRetry& retry) { back_off(std::move(retry.failure)); },
                          [&](ThenFailBack& then) { fail_back_to(then.relay); }},
               after);
  }

  /// Nothing of the session is worth a polite end. But its listener may outlive it on the relay, so that a dead live
  /// session's socket is kept, to be reset as soon as there is a path again.
  void fail(Failure failure) {
    if (const auto* session = live_session(state_.phase)) {
      see_timeouts(*session, failure);
      if (std::holds_alternative<Established>(state_.phase)) lose(LossOf::session, failure);
      act(ParkSession{});
    } else {
      act(DropSession{});
    }
    back_off(std::move(failure));
  }

  /// Was the session ended by what ended those before?
  void see_timeouts(const LiveSession& session, Failure& failure) {
    const bool closed = failure.cause == Cause::connection_lost || failure.cause == Cause::relay_disconnected;
    if (const auto timeout = leave(session, closed)) {
      const LivenessSpec from_now_on = state_.relays.here().timeouts.outlived_by(spec_.liveness);
      failure = ended_by(*timeout, std::move(failure), from_now_on);
    }
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

  void back_off(Failure failure) {
    failure = with_remedy_for(server(), std::move(failure));
    const Reached reached = how_far(failure);
    if (reached == Reached::lasting_session) start_over();
    if (failure.cause == Cause::operator_request) return begin_attempt(state_.relays.best(now_).relay);
    if (failure.cause == Cause::relay_penalty) failure.detail += likely_reason(state_.relays.here());
    failure = addresses().explain(std::move(failure), here());
    const NextTry next = state_.relays.failed(failure, reached, outage(), relays_context());
    const bool elsewhere = next.relay != state_.relays.current();
    const std::string where = elsewhere ? "at " + name_of(next.relay) + " " : "";
    act(state_.told.failed(failure, "next try " + where + "in " + to_text(next.at - now_), now_));
    state_.phase = BackingOff{next.at, next.relay, std::move(failure)};
  }

  /// The session that has ended is no part of the outage that now begins.
  void start_over() {
    state_.outage_since = now_;
    state_.relays.held_long();
  }

  void drop_and_stop() {
    act(DropSession{});
    stop();
  }

  void stop() {
    announce(LogLevel::info, "stopped");
    state_.phase = Stopped{};
  }

  // ---- what comes of the step ----------------------------------------------------------------------------------

  void act(TunnelAction action) { actions_.push_back(std::move(action)); }

  void announce(LogLevel level, std::string text) { act(Announce{level, std::move(text)}); }

  void lose(LossOf of, const Failure& why) { state_.losses.add(of, in_words(why.cause), now_); }

  template <class PartsAction>
  void perform(const std::vector<PartsAction>& actions) {
    for (const PartsAction& action : actions) std::visit([&](const auto& what) { act(what); }, action);
  }

  // ---- the relays ----------------------------------------------------------------------------------------------

  std::size_t relay_count() const { return spec_.relays.empty() ? 1 : spec_.relays.size(); }
  std::string name_of(std::size_t relay) const { return relay_name(relays_of(spec_)[relay]); }
  std::string here() const { return name_of(state_.relays.current()); }
  RelaySpec relay_spec() const { return relays_of(spec_)[state_.relays.current()]; }
  const std::string& server() { return state_.relays.here().server; }
  Addresses& addresses() { return state_.relays.here().addresses; }
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
