#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "holdfast/tunnel.hpp"

/// Which fields each event and action of the core has, in their order: told once, to whoever writes them, reads them,
/// or makes C++ of them. The compiler refuses a description that lacks a field.
namespace holdfast::record {

template <class Struct, class Member>
struct Field {
  std::string_view name;
  Member Struct::*member;
};
template <class Struct, class Member>
Field(const char*, Member Struct::*) -> Field<Struct, Member>;

template <class Fields>
struct Type {
  std::string_view name;
  Fields fields;
};

/// One more can be made of nothing.
template <class Struct, class... Members>
concept has_more_fields = requires {
  Struct{std::declval<Members>()..., {}};
};

template <class Struct, class... Members>
constexpr auto type(std::string_view name, Field<Struct, Members>... fields) {
  static_assert(!has_more_fields<Struct, Members...>, "a field is not described");
  return Type<std::tuple<Field<Struct, Members>...>>{name, {fields...}};
}
template <class Struct>
constexpr auto type_without_fields(std::string_view name) {
  static_assert(std::is_empty_v<Struct>, "a field is not described");
  return Type<std::tuple<>>{name, {}};
}

/// What goes without saying: what is false, empty, absent or no time at all.
template <class Value>
constexpr bool is_left_out(const Value&) {
  return false;
}
constexpr bool is_left_out(bool value) {
  return !value;
}
constexpr bool is_left_out(const Duration& value) {
  return value == Duration::zero();
}
inline bool is_left_out(const std::string& value) {
  return value.empty();
}
template <class Value>
bool is_left_out(const std::vector<Value>& values) {
  return values.empty();
}
template <class Value>
constexpr bool is_left_out(const std::optional<Value>& value) {
  return !value;
}

// ---- what events and actions are made of --------------------------------------------------------------------------

constexpr auto describe(const FoundAddresses*) {
  return type("FoundAddresses", Field{"said", &FoundAddresses::said}, Field{"remembered", &FoundAddresses::remembered},
              Field{"age", &FoundAddresses::age});
}
constexpr auto describe(const AddressOrder*) {
  return type("AddressOrder", Field{"addresses", &AddressOrder::addresses}, Field{"racing", &AddressOrder::racing});
}
constexpr auto describe(const Failure*) {
  return type("Failure", Field{"cause", &Failure::cause}, Field{"operation", &Failure::operation},
              Field{"subject", &Failure::subject}, Field{"detail", &Failure::detail},
              Field{"remedy", &Failure::remedy});
}
constexpr auto describe(const TransportReport*) {
  return type("TransportReport", Field{"unacknowledged", &TransportReport::unacknowledged},
              Field{"repetitions", &TransportReport::repetitions},
              Field{"unacknowledged_for", &TransportReport::unacknowledged_for},
              Field{"later_arrived", &TransportReport::later_arrived},
              Field{"large_passed", &TransportReport::large_passed},
              Field{"segment_size", &TransportReport::segment_size}, Field{"hole_for", &TransportReport::hole_for},
              Field{"nothing_came_for", &TransportReport::nothing_came_for},
              Field{"acknowledged_ago", &TransportReport::acknowledged_ago},
              Field{"four_repetitions", &TransportReport::four_repetitions});
}
constexpr auto describe(const Explanation*) {
  return type("Explanation", Field{"refusal", &Explanation::refusal}, Field{"holder", &Explanation::holder},
              Field{"knocked", &Explanation::knocked}, Field{"evict_tried", &Explanation::evict_tried},
              Field{"no_knock", &Explanation::no_knock}, Field{"own", &Explanation::own},
              Field{"silent", &Explanation::silent}, Field{"guard", &Explanation::guard},
              Field{"not_evicted", &Explanation::not_evicted});
}
constexpr auto describe(const ForwardProgress*) {
  return type("ForwardProgress", Field{"state", &ForwardProgress::state},
              Field{"bound_port", &ForwardProgress::bound_port}, Field{"explanation", &ForwardProgress::explanation});
}
constexpr auto describe(const Proof*) {
  return type("Proof", Field{"result", &Proof::result}, Field{"at", &Proof::at}, Field{"failures", &Proof::failures},
              Field{"failure", &Proof::failure});
}

// ---- events -------------------------------------------------------------------------------------------------------

constexpr auto describe(const Start*) {
  return type("Start", Field{"stand_by", &Start::stand_by});
}
constexpr auto describe(const Proceed*) {
  return type_without_fields<Proceed>("Proceed");
}
constexpr auto describe(const StopRequested*) {
  return type_without_fields<StopRequested>("StopRequested");
}
constexpr auto describe(const StopNow*) {
  return type_without_fields<StopNow>("StopNow");
}
constexpr auto describe(const ReconnectRequested*) {
  return type_without_fields<ReconnectRequested>("ReconnectRequested");
}
constexpr auto describe(const TimerExpired*) {
  return type("TimerExpired", Field{"acknowledged", &TimerExpired::acknowledged},
              Field{"transport", &TimerExpired::transport});
}
constexpr auto describe(const NetworkChanged*) {
  return type("NetworkChanged", Field{"moved", &NetworkChanged::moved},
              Field{"repetition", &NetworkChanged::repetition});
}
constexpr auto describe(const OfSession*) {
  return type("OfSession", Field{"attempt", &OfSession::attempt}, Field{"event", &OfSession::event});
}
constexpr auto describe(const PhaseCompleted*) {
  return type("PhaseCompleted", Field{"phase", &PhaseCompleted::phase}, Field{"server", &PhaseCompleted::server},
              Field{"found", &PhaseCompleted::found}, Field{"address", &PhaseCompleted::address});
}
constexpr auto describe(const ForwardAnswered*) {
  return type("ForwardAnswered", Field{"forward", &ForwardAnswered::forward},
              Field{"bound_port", &ForwardAnswered::bound_port});
}
constexpr auto describe(const Knocked*) {
  return type("Knocked", Field{"forward", &Knocked::forward}, Field{"answer", &Knocked::answer},
              Field{"words", &Knocked::words});
}
constexpr auto describe(const Evicted*) {
  return type("Evicted", Field{"forward", &Evicted::forward}, Field{"outcome", &Evicted::outcome},
              Field{"holder", &Evicted::holder}, Field{"guard", &Evicted::guard}, Field{"why", &Evicted::why});
}
constexpr auto describe(const ProofAdvanced*) {
  return type("ProofAdvanced", Field{"forward", &ProofAdvanced::forward}, Field{"news", &ProofAdvanced::news},
              Field{"detail", &ProofAdvanced::detail}, Field{"in_use", &ProofAdvanced::in_use});
}
constexpr auto describe(const ListenerCancelled*) {
  return type("ListenerCancelled", Field{"forward", &ListenerCancelled::forward});
}
constexpr auto describe(const Received*) {
  return type("Received", Field{"whole_packet", &Received::whole_packet});
}
constexpr auto describe(const TransportStalled*) {
  return type("TransportStalled", Field{"transport", &TransportStalled::transport});
}
constexpr auto describe(const ConnectionsDrained*) {
  return type_without_fields<ConnectionsDrained>("ConnectionsDrained");
}
constexpr auto describe(const RelayLookedAt*) {
  return type("RelayLookedAt", Field{"failure", &RelayLookedAt::failure}, Field{"address", &RelayLookedAt::address});
}
constexpr auto describe(const ConnectionsIdle*) {
  return type_without_fields<ConnectionsIdle>("ConnectionsIdle");
}
constexpr auto describe(const LeaseOpened*) {
  return type_without_fields<LeaseOpened>("LeaseOpened");
}
constexpr auto describe(const LeaseLost*) {
  return type("LeaseLost", Field{"reason", &LeaseLost::reason});
}
constexpr auto describe(const SessionFailed*) {
  return type("SessionFailed", Field{"failure", &SessionFailed::failure});
}
constexpr auto describe(const SessionClosed*) {
  return type_without_fields<SessionClosed>("SessionClosed");
}

// ---- actions ------------------------------------------------------------------------------------------------------

constexpr auto describe(const Dial*) {
  return type_without_fields<Dial>("Dial");
}
constexpr auto describe(const Connect*) {
  return type("Connect", Field{"order", &Connect::order});
}
constexpr auto describe(const OpenSession*) {
  return type_without_fields<OpenSession>("OpenSession");
}
constexpr auto describe(const Authenticate*) {
  return type("Authenticate", Field{"listen_ahead", &Authenticate::listen_ahead});
}
constexpr auto describe(const RequestForward*) {
  return type("RequestForward", Field{"forward", &RequestForward::forward});
}
constexpr auto describe(const Knock*) {
  return type("Knock", Field{"forward", &Knock::forward}, Field{"host", &Knock::host});
}
constexpr auto describe(const EndKnock*) {
  return type_without_fields<EndKnock>("EndKnock");
}
constexpr auto describe(const Identify*) {
  return type("Identify", Field{"forward", &Identify::forward});
}
constexpr auto describe(const Evict*) {
  return type("Evict", Field{"forward", &Evict::forward});
}
constexpr auto describe(const Prove*) {
  return type("Prove", Field{"forward", &Prove::forward}, Field{"host", &Prove::host});
}
constexpr auto describe(const EndProof*) {
  return type("EndProof", Field{"keep_channel", &EndProof::keep_channel});
}
constexpr auto describe(const CancelForward*) {
  return type("CancelForward", Field{"forward", &CancelForward::forward});
}
constexpr auto describe(const OpenLease*) {
  return type("OpenLease", Field{"guard", &OpenLease::guard});
}
constexpr auto describe(const EndLease*) {
  return type_without_fields<EndLease>("EndLease");
}
constexpr auto describe(const RecordLease*) {
  return type("RecordLease", Field{"forward", &RecordLease::forward});
}
constexpr auto describe(const SendHeartbeat*) {
  return type_without_fields<SendHeartbeat>("SendHeartbeat");
}
constexpr auto describe(const SendKeepalive*) {
  return type_without_fields<SendKeepalive>("SendKeepalive");
}
constexpr auto describe(const LookAtRelay*) {
  return type("LookAtRelay", Field{"relay", &LookAtRelay::relay});
}
constexpr auto describe(const EndLook*) {
  return type_without_fields<EndLook>("EndLook");
}
constexpr auto describe(const AwaitIdle*) {
  return type_without_fields<AwaitIdle>("AwaitIdle");
}
constexpr auto describe(const DrainConnections*) {
  return type_without_fields<DrainConnections>("DrainConnections");
}
constexpr auto describe(const CloseSession*) {
  return type_without_fields<CloseSession>("CloseSession");
}
constexpr auto describe(const ParkSession*) {
  return type_without_fields<ParkSession>("ParkSession");
}
constexpr auto describe(const ResetParked*) {
  return type_without_fields<ResetParked>("ResetParked");
}
constexpr auto describe(const DropSession*) {
  return type_without_fields<DropSession>("DropSession");
}
constexpr auto describe(const Happened*) {
  return type("Happened", Field{"what", &Happened::what});
}

// ---- what is told -------------------------------------------------------------------------------------------------

constexpr auto describe(const StandsBy*) {
  return type_without_fields<StandsBy>("StandsBy");
}
constexpr auto describe(const SessionStands*) {
  return type("SessionStands", Field{"relay", &SessionStands::relay}, Field{"forwards", &SessionStands::forwards});
}
constexpr auto describe(const SessionEnded*) {
  return type("SessionEnded", Field{"why", &SessionEnded::why}, Field{"held", &SessionEnded::held});
}
constexpr auto describe(const AttemptFailed*) {
  return type("AttemptFailed", Field{"failure", &AttemptFailed::failure}, Field{"wait", &AttemptFailed::wait},
              Field{"elsewhere", &AttemptFailed::elsewhere});
}
constexpr auto describe(const ListenerHeld*) {
  return type("ListenerHeld", Field{"forward", &ListenerHeld::forward}, Field{"bound_port", &ListenerHeld::bound_port});
}
constexpr auto describe(const ListenerRefused*) {
  return type("ListenerRefused", Field{"forward", &ListenerRefused::forward},
              Field{"failure", &ListenerRefused::failure});
}
constexpr auto describe(const ListenerFreed*) {
  return type("ListenerFreed", Field{"forward", &ListenerFreed::forward});
}
constexpr auto describe(const ProofChanged*) {
  return type("ProofChanged", Field{"forward", &ProofChanged::forward}, Field{"bound_port", &ProofChanged::bound_port},
              Field{"proof", &ProofChanged::proof}, Field{"was_bad", &ProofChanged::was_bad});
}
constexpr auto describe(const LeaseUnavailable*) {
  return type("LeaseUnavailable", Field{"why", &LeaseUnavailable::why}, Field{"again_in", &LeaseUnavailable::again_in});
}
constexpr auto describe(const BetterRelayAnswers*) {
  return type("BetterRelayAnswers", Field{"relay", &BetterRelayAnswers::relay});
}
constexpr auto describe(const BetterRelayNotBack*) {
  return type("BetterRelayNotBack", Field{"relay", &BetterRelayNotBack::relay}, Field{"why", &BetterRelayNotBack::why},
              Field{"again_in", &BetterRelayNotBack::again_in});
}
constexpr auto describe(const GoingBack*) {
  return type("GoingBack", Field{"relay", &GoingBack::relay});
}
constexpr auto describe(const DrainBegan*) {
  return type_without_fields<DrainBegan>("DrainBegan");
}
constexpr auto describe(const TunnelStopped*) {
  return type_without_fields<TunnelStopped>("TunnelStopped");
}

template <class Struct>
constexpr auto description = describe(static_cast<const Struct*>(nullptr));

}  // namespace holdfast::record
