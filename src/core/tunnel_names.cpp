#include <algorithm>
#include <cstdlib>

#include "holdfast/overloaded.hpp"
#include "holdfast/tunnel.hpp"

namespace holdfast {
namespace {

std::optional<TimePoint> earlier(std::optional<TimePoint> left, std::optional<TimePoint> right) {
  if (!left || !right) return left ? left : right;
  return std::min(*left, *right);
}

std::optional<TimePoint> due(const LiveSession& session) {
  return earlier(earlier(session.liveness.next_deadline(), session.listeners.due()),
                 earlier(session.beat_due, session.proof_due));
}

}  // namespace

std::string_view to_string(OpeningPhase phase) {
  switch (phase) {
    case OpeningPhase::resolve:
      return "resolve";
    case OpeningPhase::connect:
      return "connect";
    case OpeningPhase::banner:
      return "banner";
    case OpeningPhase::key_exchange:
      return "key_exchange";
    case OpeningPhase::authenticate:
      return "authenticate";
  }
  std::abort();
}

std::string_view phase_name(const Phase& phase) {
  using Name = std::string_view;
  return std::visit(
      overloaded{[](const Idle&) -> Name { return "idle"; }, [](const Opening&) -> Name { return "opening"; },
                 [](const RequestingForwards&) -> Name { return "requesting_forwards"; },
                 [](const Established&) -> Name { return "established"; },
                 [](const Draining&) -> Name { return "draining"; }, [](const Closing&) -> Name { return "closing"; },
                 [](const BackingOff&) -> Name { return "backing_off"; },
                 [](const Stopped&) -> Name { return "stopped"; }},
      phase);
}

const ForwardTable* forwards_of(const Phase& phase) {
  using Table = const ForwardTable*;
  return std::visit(
      overloaded{[](const Idle&) -> Table { return nullptr; }, [](const Opening&) -> Table { return nullptr; },
                 [](const RequestingForwards& requesting) -> Table { return &requesting.session.listeners.table(); },
                 [](const Established& established) -> Table { return &established.session.listeners.table(); },
                 [](const Draining& draining) -> Table { return &draining.forwards; },
                 [](const Closing&) -> Table { return nullptr; }, [](const BackingOff&) -> Table { return nullptr; },
                 [](const Stopped&) -> Table { return nullptr; }},
      phase);
}

std::optional<TimePoint> next_deadline(const TunnelState& state) {
  using Deadline = std::optional<TimePoint>;
  return std::visit(overloaded{[](const Idle&) -> Deadline { return std::nullopt; },
                               [](const Opening& opening) -> Deadline { return opening.deadline; },
                               [](const RequestingForwards& requesting) { return due(requesting.session); },
                               [](const Established& established) { return due(established.session); },
                               [](const Draining& draining) -> Deadline { return draining.deadline; },
                               [](const Closing& closing) -> Deadline { return closing.deadline; },
                               [](const BackingOff& waiting) -> Deadline { return waiting.until; },
                               [](const Stopped&) -> Deadline { return std::nullopt; }},
                    state.phase);
}

bool is_up(const TunnelState& state) {
  const auto* established = std::get_if<Established>(&state.phase);
  return established != nullptr && established->session.listeners.all_held();
}

}  // namespace holdfast
