#include "holdfast/step_words.hpp"

#include "holdfast/overloaded.hpp"

namespace holdfast {
namespace {

using Name = std::string_view;

Name session_event_name(const SessionEvent& event) {
  return std::visit(
      overloaded{[](const PhaseCompleted&) -> Name { return "PhaseCompleted"; },
                 [](const ForwardAnswered&) -> Name { return "ForwardAnswered"; },
                 [](const Knocked&) -> Name { return "Knocked"; }, [](const Evicted&) -> Name { return "Evicted"; },
                 [](const ProofAdvanced&) -> Name { return "ProofAdvanced"; },
                 [](const ListenerCancelled&) -> Name { return "ListenerCancelled"; },
                 [](const Received&) -> Name { return "Received"; },
                 [](const TransportStalled&) -> Name { return "TransportStalled"; },
                 [](const ConnectionsDrained&) -> Name { return "ConnectionsDrained"; },
                 [](const RelayLookedAt&) -> Name { return "RelayLookedAt"; },
                 [](const ConnectionsIdle&) -> Name { return "ConnectionsIdle"; },
                 [](const LeaseOpened&) -> Name { return "LeaseOpened"; },
                 [](const LeaseLost&) -> Name { return "LeaseLost"; },
                 [](const SessionFailed&) -> Name { return "SessionFailed"; },
                 [](const SessionClosed&) -> Name { return "SessionClosed"; }},
      event);
}

bool is_received(const TunnelEvent& event) {
  const auto* session = std::get_if<OfSession>(&event);
  return session != nullptr && std::holds_alternative<Received>(session->event);
}

}  // namespace

std::string_view event_name(const TunnelEvent& event) {
  return std::visit(
      overloaded{[](const Start&) -> Name { return "Start"; }, [](const Proceed&) -> Name { return "Proceed"; },
                 [](const StopRequested&) -> Name { return "StopRequested"; },
                 [](const StopNow&) -> Name { return "StopNow"; },
                 [](const ReconnectRequested&) -> Name { return "ReconnectRequested"; },
                 [](const TimerExpired&) -> Name { return "TimerExpired"; },
                 [](const NetworkChanged&) -> Name { return "NetworkChanged"; },
                 [](const OfSession& session) { return session_event_name(session.event); }},
      event);
}

std::string_view action_name(const TunnelAction& action) {
  return std::visit(overloaded{[](const Dial&) -> Name { return "Dial"; },
                               [](const Connect&) -> Name { return "Connect"; },
                               [](const OpenSession&) -> Name { return "OpenSession"; },
                               [](const Authenticate&) -> Name { return "Authenticate"; },
                               [](const RequestForward&) -> Name { return "RequestForward"; },
                               [](const Knock&) -> Name { return "Knock"; },
                               [](const EndKnock&) -> Name { return "EndKnock"; },
                               [](const Identify&) -> Name { return "Identify"; },
                               [](const Evict&) -> Name { return "Evict"; },
                               [](const Prove&) -> Name { return "Prove"; },
                               [](const EndProof&) -> Name { return "EndProof"; },
                               [](const CancelForward&) -> Name { return "CancelForward"; },
                               [](const OpenLease&) -> Name { return "OpenLease"; },
                               [](const EndLease&) -> Name { return "EndLease"; },
                               [](const RecordLease&) -> Name { return "RecordLease"; },
                               [](const SendHeartbeat&) -> Name { return "SendHeartbeat"; },
                               [](const SendKeepalive&) -> Name { return "SendKeepalive"; },
                               [](const LookAtRelay&) -> Name { return "LookAtRelay"; },
                               [](const EndLook&) -> Name { return "EndLook"; },
                               [](const AwaitIdle&) -> Name { return "AwaitIdle"; },
                               [](const DrainConnections&) -> Name { return "DrainConnections"; },
                               [](const CloseSession&) -> Name { return "CloseSession"; },
                               [](const ParkSession&) -> Name { return "ParkSession"; },
                               [](const ResetParked&) -> Name { return "ResetParked"; },
                               [](const DropSession&) -> Name { return "DropSession"; },
                               [](const Happened&) -> Name { return "Happened"; }},
                    action);
}

std::string describe_step(std::string_view before, const TunnelEvent& event, const Step& step) {
  std::string text{before};
  text += " + " + std::string{event_name(event)} + " -> " + std::string{phase_name(step.next.phase)} + " [";
  for (const TunnelAction& action : step.actions) {
    if (text.back() != '[') text += ", ";
    text += action_name(action);
  }
  return text + "]";
}

LogLevel detail_of_step(std::string_view before, const TunnelEvent& event, const Step& step) {
  if (before != phase_name(step.next.phase) || !step.actions.empty()) return LogLevel::debug;
  return is_received(event) ? LogLevel::debug3 : LogLevel::debug2;
}

}  // namespace holdfast
