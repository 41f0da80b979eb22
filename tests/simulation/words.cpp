#include "simulation/words.hpp"

#include "holdfast/overloaded.hpp"

namespace holdfast::simulation {
namespace {

std::string quoted(const std::string& text) {
  std::string code = "\"";
  for (const char each : text) {
    if (each == '"' || each == '\\') code += '\\';
    code += each;
  }
  return code + '"';
}

std::string braced(const std::string& type, const std::string& fields) {
  return type + "{" + fields + "}";
}

std::string code_of(bool value) {
  return value ? "true" : "false";
}

std::string code_of(Duration duration) {
  return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + "ms";
}

std::string code_of(const std::vector<std::string>& addresses) {
  std::string code;
  for (const std::string& each : addresses) code += (code.empty() ? "" : ", ") + quoted(each);
  return "{" + code + "}";
}

std::string code_of(const FoundAddresses& found) {
  return "{" + code_of(found.said) + ", " + code_of(found.remembered) + ", " +
         (found.age ? code_of(*found.age) : "std::nullopt") + "}";
}

std::string code_of(const Failure& failure) {
  return "Failure{Cause::" + std::string{to_string(failure.cause)} + ", " + quoted(failure.operation) + ", " +
         quoted(failure.subject) + ", " + quoted(failure.detail) + "}";
}

std::string code_of(KnockAnswer answer) {
  switch (answer) {
    case KnockAnswer::opened:
      return "KnockAnswer::opened";
    case KnockAnswer::answered:
      return "KnockAnswer::answered";
    case KnockAnswer::nobody_listens:
      return "KnockAnswer::nobody_listens";
    case KnockAnswer::not_connected:
      return "KnockAnswer::not_connected";
    case KnockAnswer::not_permitted:
      return "KnockAnswer::not_permitted";
  }
  std::abort();
}

std::string code_of(EvictOutcome outcome) {
  switch (outcome) {
    case EvictOutcome::freed:
      return "EvictOutcome::freed";
    case EvictOutcome::other_device:
      return "EvictOutcome::other_device";
    case EvictOutcome::twin:
      return "EvictOutcome::twin";
    case EvictOutcome::not_ours:
      return "EvictOutcome::not_ours";
    case EvictOutcome::failed:
      return "EvictOutcome::failed";
  }
  std::abort();
}

std::string code_of(ProofNews news) {
  switch (news) {
    case ProofNews::opened:
      return "ProofNews::opened";
    case ProofNews::nobody_listens:
      return "ProofNews::nobody_listens";
    case ProofNews::not_connected:
      return "ProofNews::not_connected";
    case ProofNews::not_permitted:
      return "ProofNews::not_permitted";
    case ProofNews::not_opened:
      return "ProofNews::not_opened";
    case ProofNews::target_failed:
      return "ProofNews::target_failed";
    case ProofNews::returned:
      return "ProofNews::returned";
    case ProofNews::answered:
      return "ProofNews::answered";
    case ProofNews::stranger:
      return "ProofNews::stranger";
    case ProofNews::ended:
      return "ProofNews::ended";
  }
  std::abort();
}

}  // namespace

Deed deed_of(const TunnelAction& action) {
  return std::visit(
      overloaded{
          [](const Dial&) { return Deed{Did::dial}; },
          [](const Connect& connect) { return Deed{Did::connect, 0, "", Duration::zero(), nullptr, &connect.order}; },
          [](const OpenSession&) { return Deed{Did::open_session}; },
          [](const Authenticate& login) {
            return Deed{Did::authenticate, 0, "", Duration::zero(), nullptr, nullptr, login.listen_ahead};
          },
          [](const RequestForward& request) {
            return Deed{Did::request_forward, request.forward};
          },
          [](const Knock& knock) {
            return Deed{Did::knock, knock.forward, knock.host};
          },
          [](const EndKnock&) { return Deed{Did::end_knock}; },
          [](const Identify& identify) {
            return Deed{Did::identify, identify.forward};
          },
          [](const Evict& evict) {
            return Deed{Did::evict, evict.forward};
          },
          [](const Prove& prove) {
            return Deed{Did::prove, prove.forward, prove.host};
          },
          [](const EndProof&) { return Deed{Did::end_proof}; },
          [](const CancelForward& cancel) {
            return Deed{Did::cancel_forward, cancel.forward};
          },
          [](const OpenLease& open) {
            return Deed{Did::open_lease, 0, "", open.guard};
          },
          [](const EndLease&) { return Deed{Did::end_lease}; },
          [](const RecordLease& record) {
            return Deed{Did::record_lease, record.forward};
          },
          [](const SendHeartbeat&) { return Deed{Did::heartbeat}; },
          [](const SendKeepalive&) { return Deed{Did::keepalive}; },
          [](const LookAtRelay& look) {
            return Deed{Did::look, look.relay};
          },
          [](const EndLook&) { return Deed{Did::end_look}; },
          [](const AwaitIdle&) { return Deed{Did::await_idle}; },
          [](const DrainConnections&) { return Deed{Did::drain}; },
          [](const CloseSession&) { return Deed{Did::close}; },
          [](const ParkSession&) { return Deed{Did::park}; },
          [](const ResetParked&) { return Deed{Did::reset_parked}; },
          [](const DropSession&) { return Deed{Did::drop}; },
          [](const Happened& news) {
            return Deed{Did::tell, 0, "", Duration::zero(), &news.what};
          }},
      action);
}

Stage stage_of(const Phase& phase) {
  return std::visit(
      overloaded{[](const Idle&) { return Stage::idle; }, [](const Opening&) { return Stage::opening; },
                 [](const StandingBy&) { return Stage::standing_by; },
                 [](const RequestingForwards&) { return Stage::requesting; },
                 [](const Established&) { return Stage::established; }, [](const Draining&) { return Stage::draining; },
                 [](const Closing&) { return Stage::closing; }, [](const BackingOff&) { return Stage::backing_off; },
                 [](const Stopped&) { return Stage::stopped; }},
      phase);
}

std::string code_of(const SessionEvent& event) {
  return std::visit(
      overloaded{[](const PhaseCompleted& completed) {
                   return braced("PhaseCompleted", "OpeningPhase::" + std::string{to_string(completed.phase)} + ", " +
                                                       quoted(completed.server) + ", " + code_of(completed.found) +
                                                       ", " + quoted(completed.address));
                 },
                 [](const ForwardAnswered& answer) {
                   const std::string port = answer.bound_port ? std::to_string(*answer.bound_port) : "std::nullopt";
                   return braced("ForwardAnswered", std::to_string(answer.forward) + ", " + port);
                 },
                 [](const Knocked& knock) {
                   return braced("Knocked", std::to_string(knock.forward) + ", " + code_of(knock.answer));
                 },
                 [](const Evicted& evicted) {
                   return braced("Evicted", std::to_string(evicted.forward) + ", " + code_of(evicted.outcome) + ", " +
                                                quoted(evicted.holder) + ", " +
                                                (evicted.guard ? code_of(*evicted.guard) : "std::nullopt"));
                 },
                 [](const ProofAdvanced& proof) {
                   return braced("ProofAdvanced", std::to_string(proof.forward) + ", " + code_of(proof.news) + ", " +
                                                      quoted(proof.detail) + ", " + code_of(proof.in_use));
                 },
                 [](const ListenerCancelled& cancelled) {
                   return braced("ListenerCancelled", std::to_string(cancelled.forward));
                 },
                 [](const Received& received) { return braced("Received", code_of(received.whole_packet)); },
                 [](const TransportStalled&) { return braced("TransportStalled", "/* the model has none */"); },
                 [](const ConnectionsDrained&) { return braced("ConnectionsDrained", ""); },
                 [](const RelayLookedAt& look) {
                   return braced("RelayLookedAt", (look.failure ? code_of(*look.failure) : "std::nullopt") + ", " +
                                                      quoted(look.address));
                 },
                 [](const ConnectionsIdle&) { return braced("ConnectionsIdle", ""); },
                 [](const LeaseOpened&) { return braced("LeaseOpened", ""); },
                 [](const LeaseLost& lost) { return braced("LeaseLost", quoted(lost.reason)); },
                 [](const SessionFailed& failed) { return braced("SessionFailed", code_of(failed.failure)); },
                 [](const SessionClosed&) { return braced("SessionClosed", ""); }},
      event);
}

std::string code_of(const TunnelEvent& event) {
  return std::visit(
      overloaded{[](const Start& start) { return braced("Start", code_of(start.stand_by)); },
                 [](const Proceed&) { return braced("Proceed", ""); },
                 [](const StopRequested&) { return braced("StopRequested", ""); },
                 [](const StopNow&) { return braced("StopNow", ""); },
                 [](const ReconnectRequested&) { return braced("ReconnectRequested", ""); },
                 [](const TimerExpired& timer) {
                   if (!timer.acknowledged) return braced("TimerExpired", "");
                   return braced("TimerExpired", "TimePoint{" + code_of(timer.acknowledged->time_since_epoch()) + "}");
                 },
                 [](const NetworkChanged& change) {
                   return braced("NetworkChanged", code_of(change.moved) + ", " + code_of(change.repetition));
                 },
                 [](const OfSession& of) {
                   return braced("OfSession", std::to_string(of.attempt) + ", " + code_of(of.event));
                 }},
      event);
}

}  // namespace holdfast::simulation
